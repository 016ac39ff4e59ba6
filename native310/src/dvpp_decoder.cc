#include "dvpp_decoder.h"

#include <algorithm>
#include <string>

#include "user_error.h"

namespace native310 {
namespace {

// Of a picture that JPEGD writes, as CANN documents them for Ascend 310 and, in width, for Ascend 310P.
constexpr std::uint32_t kWidthAlignment = 128;
constexpr std::uint32_t kWidthAlignment310P = 64;
constexpr std::uint32_t kHeightAlignment = 16;
// Grey in all three planes; the same grey as 128 in RGB.
constexpr int kCanvasGrey = 128;

void Check(aclError error, const char* function) {
  if (error == ACL_SUCCESS) return;
  throw UserError(std::string("AscendCL failed in ") + function + " with code " + std::to_string(error) +
                  ": check the device with npu-smi info, or prepare the images as bins");
}

template <typename T>
T* CheckCreated(T* created, const char* function) {
  Check(created == nullptr ? -1 : ACL_SUCCESS, function);
  return created;
}

std::uint32_t AlignUp(std::uint32_t value, std::uint32_t alignment) {
  return (value + alignment - 1) / alignment * alignment;
}

std::size_t BytesOfYuv420sp(std::uint32_t width_stride, std::uint32_t height_stride) {
  return std::size_t{width_stride} * height_stride * 3 / 2;
}

std::uint32_t WidthAlignment() {
  const char* name = CheckCreated(aclrtGetSocName(), "aclrtGetSocName");
  return std::string(name).rfind("Ascend310P", 0) == 0 ? kWidthAlignment310P : kWidthAlignment;
}

acldvppPicDesc* CreatePicture(Releases* releases) {
  acldvppPicDesc* picture = CheckCreated(acldvppCreatePicDesc(), "acldvppCreatePicDesc");
  releases->Add("acldvppDestroyPicDesc", [picture] { return acldvppDestroyPicDesc(picture); });
  return picture;
}

acldvppRoiConfig* CreateArea(Releases* releases) {
  acldvppRoiConfig* area = CheckCreated(acldvppCreateRoiConfig(0, 1, 0, 1), "acldvppCreateRoiConfig");
  releases->Add("acldvppDestroyRoiConfig", [area] { return acldvppDestroyRoiConfig(area); });
  return area;
}

}  // namespace

DvppDecoder::DvppDecoder(aclrtContext context, bool is_host, const InputSize& input_size)
    : context_(context), is_host_(is_host), input_size_(input_size) {}

void DvppDecoder::Open(Releases* releases) {
  width_alignment_ = WidthAlignment();
  Check(aclrtCreateStream(&stream_), "aclrtCreateStream");
  releases->Add("aclrtDestroyStream", [this] { return aclrtDestroyStream(stream_); });
  OpenChannel(releases);
  resizing_ = CheckCreated(acldvppCreateResizeConfig(), "acldvppCreateResizeConfig");
  releases->Add("acldvppDestroyResizeConfig", [this] { return acldvppDestroyResizeConfig(resizing_); });
  crop_ = CreateArea(releases);
  paste_ = CreateArea(releases);
  for (Buffer* buffer : {&jpeg_buffer_, &decoded_buffer_, &resized_buffer_}) {
    releases->Add("acldvppFree",
                  [buffer] { return buffer->data == nullptr ? ACL_SUCCESS : acldvppFree(buffer->data); });
  }
  decoded_ = CreatePicture(releases);
  resized_ = CreatePicture(releases);
  DescribeOutput();
}

void DvppDecoder::Decode(const std::vector<std::uint8_t>& jpeg, const DevicePlace& place, void* target) {
  const std::lock_guard<std::mutex> lock(mutex_);
  // The context is that of the thread which opened the device, until another one takes it.
  Check(aclrtSetCurrentContext(context_), "aclrtSetCurrentContext");
  DecodeStored(jpeg, place.crop);
  Resize(place);
  const std::size_t bytes = resized_buffer_.bytes;
  Check(aclrtMemcpy(target, bytes, resized_buffer_.data, bytes,
                    is_host_ ? ACL_MEMCPY_DEVICE_TO_HOST : ACL_MEMCPY_DEVICE_TO_DEVICE),
        "aclrtMemcpy");
}

void DvppDecoder::OpenChannel(Releases* releases) {
  channel_ = CheckCreated(acldvppCreateChannelDesc(), "acldvppCreateChannelDesc");
  releases->Add("acldvppDestroyChannelDesc", [this] { return acldvppDestroyChannelDesc(channel_); });
  Check(acldvppCreateChannel(channel_), "acldvppCreateChannel");
  releases->Add("acldvppDestroyChannel", [this] { return acldvppDestroyChannel(channel_); });
}

void DvppDecoder::Reserve(std::size_t bytes, Buffer* buffer) const {
  if (buffer->bytes >= bytes) return;
  if (buffer->data != nullptr) {
    void* const old = buffer->data;
    *buffer = {};
    Check(acldvppFree(old), "acldvppFree");
  }
  Check(acldvppMalloc(&buffer->data, bytes), "acldvppMalloc");
  buffer->bytes = bytes;
}

void DvppDecoder::DescribeOutput() {
  // The sides are multiples of 32, so that the strides, multiples of 16 and 2, equal them.
  const auto width = static_cast<std::uint32_t>(input_size_.width);
  const auto height = static_cast<std::uint32_t>(input_size_.height);
  Reserve(BytesOfYuv420sp(width, height), &resized_buffer_);
  Check(acldvppSetPicDescData(resized_, resized_buffer_.data), "acldvppSetPicDescData");
  Check(acldvppSetPicDescFormat(resized_, PIXEL_FORMAT_YUV_SEMIPLANAR_420), "acldvppSetPicDescFormat");
  Check(acldvppSetPicDescWidth(resized_, width), "acldvppSetPicDescWidth");
  Check(acldvppSetPicDescHeight(resized_, height), "acldvppSetPicDescHeight");
  Check(acldvppSetPicDescWidthStride(resized_, width), "acldvppSetPicDescWidthStride");
  Check(acldvppSetPicDescHeightStride(resized_, height), "acldvppSetPicDescHeightStride");
  Check(acldvppSetPicDescSize(resized_, static_cast<std::uint32_t>(resized_buffer_.bytes)), "acldvppSetPicDescSize");
}

void DvppDecoder::DecodeStored(const std::vector<std::uint8_t>& jpeg, const EvenArea& crop) {
  const auto jpeg_bytes = static_cast<std::uint32_t>(jpeg.size());
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  std::int32_t components = 0;
  Check(acldvppJpegGetImageInfo(jpeg.data(), jpeg_bytes, &width, &height, &components), "acldvppJpegGetImageInfo");
  if (width / 2 * 2 != static_cast<std::uint32_t>(crop.width) ||
      height / 2 * 2 != static_cast<std::uint32_t>(crop.height)) {
    throw UserError("the device reads it as " + std::to_string(width) + " x " + std::to_string(height) +
                    " pixels, which is not its size: prepare the images as bins");
  }
  std::uint32_t predicted = 0;
  Check(acldvppJpegPredictDecSize(jpeg.data(), jpeg_bytes, PIXEL_FORMAT_YUV_SEMIPLANAR_420, &predicted),
        "acldvppJpegPredictDecSize");
  const std::uint32_t width_stride = AlignUp(width, width_alignment_);
  const std::uint32_t height_stride = AlignUp(height, kHeightAlignment);
  Reserve(std::max<std::size_t>(predicted, BytesOfYuv420sp(width_stride, height_stride)), &decoded_buffer_);
  Reserve(jpeg.size(), &jpeg_buffer_);
  Check(aclrtMemcpy(jpeg_buffer_.data, jpeg_buffer_.bytes, jpeg.data(), jpeg.size(),
                    is_host_ ? ACL_MEMCPY_HOST_TO_DEVICE : ACL_MEMCPY_DEVICE_TO_DEVICE),
        "aclrtMemcpy");
  Check(acldvppSetPicDescData(decoded_, decoded_buffer_.data), "acldvppSetPicDescData");
  Check(acldvppSetPicDescSize(decoded_, static_cast<std::uint32_t>(decoded_buffer_.bytes)), "acldvppSetPicDescSize");
  Check(acldvppSetPicDescFormat(decoded_, PIXEL_FORMAT_YUV_SEMIPLANAR_420), "acldvppSetPicDescFormat");
  Check(acldvppSetPicDescWidth(decoded_, width), "acldvppSetPicDescWidth");
  Check(acldvppSetPicDescHeight(decoded_, height), "acldvppSetPicDescHeight");
  Check(acldvppSetPicDescWidthStride(decoded_, width_stride), "acldvppSetPicDescWidthStride");
  Check(acldvppSetPicDescHeightStride(decoded_, height_stride), "acldvppSetPicDescHeightStride");
  Check(acldvppJpegDecodeAsync(channel_, jpeg_buffer_.data, jpeg_bytes, decoded_, stream_), "acldvppJpegDecodeAsync");
  WaitFor("acldvppJpegDecodeAsync");
  // A code of the picture, where the decoder itself reports damaged data.
  Check(static_cast<aclError>(acldvppGetPicDescRetCode(decoded_)), "acldvppJpegDecodeAsync");
}

void DvppDecoder::Resize(const DevicePlace& place) {
  // VPC takes even sides only; the strides are those that JPEGD wrote.
  Check(acldvppSetPicDescWidth(decoded_, static_cast<std::uint32_t>(place.crop.width)), "acldvppSetPicDescWidth");
  Check(acldvppSetPicDescHeight(decoded_, static_cast<std::uint32_t>(place.crop.height)), "acldvppSetPicDescHeight");
  if (place.paste.width == input_size_.width && place.paste.height == input_size_.height) {
    Check(acldvppVpcResizeAsync(channel_, decoded_, resized_, resizing_, stream_), "acldvppVpcResizeAsync");
    WaitFor("acldvppVpcResizeAsync");
    return;
  }
  Check(aclrtMemset(resized_buffer_.data, resized_buffer_.bytes, kCanvasGrey, resized_buffer_.bytes), "aclrtMemset");
  Set(crop_, place.crop);
  Set(paste_, place.paste);
  Check(acldvppVpcCropResizePasteAsync(channel_, decoded_, resized_, crop_, paste_, resizing_, stream_),
        "acldvppVpcCropResizePasteAsync");
  WaitFor("acldvppVpcCropResizePasteAsync");
}

void DvppDecoder::WaitFor(const char* function) const {
  // The call that fails here is the one before, which only handed the task over.
  Check(aclrtSynchronizeStream(stream_), function);
}

void DvppDecoder::Set(acldvppRoiConfig* config, const EvenArea& area) {
  // The last column and row belong to the area, so they are odd.
  const auto edge = [](int first, int extent) { return static_cast<std::uint32_t>(first + extent - 1); };
  Check(acldvppSetRoiConfig(config, static_cast<std::uint32_t>(area.left), edge(area.left, area.width),
                            static_cast<std::uint32_t>(area.top), edge(area.top, area.height)),
        "acldvppSetRoiConfig");
}

}  // namespace native310
