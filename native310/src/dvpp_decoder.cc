#include "dvpp_decoder.h"

#include <algorithm>
#include <string>

#include "user_error.h"
#include "yuv420sp.h"

namespace native310 {
namespace {

// Of a picture that JPEGD writes, as CANN documents them for Ascend 310 and, in width, for Ascend 310P.
constexpr std::uint32_t kWidthAlignment = 128;
constexpr std::uint32_t kWidthAlignment310P = 64;
constexpr std::uint32_t kHeightAlignment = 16;
// The largest side of a picture that VPC writes.
constexpr int kMaxOutputSide = 4096;
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

// Frees a buffer that may have been replaced or not be there.
void AddBuffer(Releases* releases, void** data) {
  releases->Add("acldvppFree", [data] { return *data == nullptr ? ACL_SUCCESS : acldvppFree(*data); });
}

void SetArea(acldvppRoiConfig* config, const EvenArea& area, int scale) {
  // The last column and row belong to the area, so they are odd.
  const auto first = [scale](int position) { return static_cast<std::uint32_t>(position * scale); };
  const auto last = [scale](int position, int extent) {
    return static_cast<std::uint32_t>((position + extent) * scale - 1);
  };
  Check(acldvppSetRoiConfig(config, first(area.left), last(area.left, area.width), first(area.top),
                            last(area.top, area.height)),
        "acldvppSetRoiConfig");
}

acldvppRoiConfig* CreateArea(Releases* releases) {
  acldvppRoiConfig* area = CheckCreated(acldvppCreateRoiConfig(0, 1, 0, 1), "acldvppCreateRoiConfig");
  releases->Add("acldvppDestroyRoiConfig", [area] { return acldvppDestroyRoiConfig(area); });
  return area;
}

}  // namespace

bool DvppDecoder::Writes(const InputSpec& spec) {
  if (spec.format == PixelFormat::kYuv420sp) return true;
  return spec.type == ElementType::kUint8 && spec.layout == Layout::kNhwc &&
         2 * std::max(spec.size.width, spec.size.height) <= kMaxOutputSide;
}

DvppDecoder::DvppDecoder(aclrtContext context, bool is_host, const InputSpec& spec)
    : context_(context), is_host_(is_host), spec_(spec) {
  outputs_.resize(spec.format == PixelFormat::kYuv420sp ? 1 : 2);
  if (outputs_.size() == 2) outputs_.back().scale = 2;
}

void DvppDecoder::Open(Releases* releases) {
  width_alignment_ = WidthAlignment();
  Check(aclrtCreateStream(&stream_), "aclrtCreateStream");
  releases->Add("aclrtDestroyStream", [this] { return aclrtDestroyStream(stream_); });
  OpenChannel(releases);
  resizing_ = CheckCreated(acldvppCreateResizeConfig(), "acldvppCreateResizeConfig");
  releases->Add("acldvppDestroyResizeConfig", [this] { return acldvppDestroyResizeConfig(resizing_); });
  crop_ = CreateArea(releases);
  AddBuffer(releases, &jpeg_buffer_.data);
  AddBuffer(releases, &decoded_buffer_.data);
  decoded_ = CreatePicture(releases);
  for (Output& output : outputs_) OpenOutput(releases, &output);
}

void DvppDecoder::Decode(const std::vector<std::uint8_t>& jpeg, const DevicePlace& place, void* target) {
  const std::lock_guard<std::mutex> lock(mutex_);
  // The context is that of the thread which opened the device, until another one takes it.
  Check(aclrtSetCurrentContext(context_), "aclrtSetCurrentContext");
  try {
    DecodeStored(jpeg, place.crop);
    for (const Output& output : outputs_) Resize(place, output);
    WaitFor("the resizing of VPC");
  } catch (const UserError&) {
    // What is left in the stream uses the buffers, which the image of another reader may replace.
    aclrtSynchronizeStream(stream_);
    throw;
  }
  if (spec_.format == PixelFormat::kYuv420sp) {
    Download(outputs_[0].buffer.data, spec_.ImageBytes(), target);
    return;
  }
  luma_.resize(spec_.Pixels());
  colours_.resize(2 * spec_.Pixels());
  Download(outputs_[0].buffer.data, luma_.size(), luma_.data());
  // Of the picture of twice the size, the colours lie behind four times as many pixels.
  const auto* doubled = static_cast<const std::uint8_t*>(outputs_[1].buffer.data);
  Download(doubled + 4 * spec_.Pixels(), colours_.size(), colours_.data());
  RgbFromYuv444sp(luma_.data(), colours_.data(), spec_.Pixels(), static_cast<std::uint8_t*>(target));
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

void DvppDecoder::OpenOutput(Releases* releases, Output* output) const {
  // The sides are multiples of 32, so that the strides, multiples of 16 and 2, equal them.
  const auto width = static_cast<std::uint32_t>(spec_.size.width * output->scale);
  const auto height = static_cast<std::uint32_t>(spec_.size.height * output->scale);
  AddBuffer(releases, &output->buffer.data);
  Reserve(BytesOfYuv420sp(width, height), &output->buffer);
  output->paste = CreateArea(releases);
  acldvppPicDesc* picture = output->picture = CreatePicture(releases);
  Check(acldvppSetPicDescData(picture, output->buffer.data), "acldvppSetPicDescData");
  Check(acldvppSetPicDescFormat(picture, PIXEL_FORMAT_YUV_SEMIPLANAR_420), "acldvppSetPicDescFormat");
  Check(acldvppSetPicDescWidth(picture, width), "acldvppSetPicDescWidth");
  Check(acldvppSetPicDescHeight(picture, height), "acldvppSetPicDescHeight");
  Check(acldvppSetPicDescWidthStride(picture, width), "acldvppSetPicDescWidthStride");
  Check(acldvppSetPicDescHeightStride(picture, height), "acldvppSetPicDescHeightStride");
  Check(acldvppSetPicDescSize(picture, static_cast<std::uint32_t>(output->buffer.bytes)), "acldvppSetPicDescSize");
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
  // VPC takes even sides only; the strides are those that JPEGD wrote.
  Check(acldvppSetPicDescWidth(decoded_, static_cast<std::uint32_t>(crop.width)), "acldvppSetPicDescWidth");
  Check(acldvppSetPicDescHeight(decoded_, static_cast<std::uint32_t>(crop.height)), "acldvppSetPicDescHeight");
}

void DvppDecoder::Resize(const DevicePlace& place, const Output& output) const {
  if (place.paste.width == spec_.size.width && place.paste.height == spec_.size.height) {
    Check(acldvppVpcResizeAsync(channel_, decoded_, output.picture, resizing_, stream_), "acldvppVpcResizeAsync");
    return;
  }
  const Buffer& buffer = output.buffer;
  Check(aclrtMemset(buffer.data, buffer.bytes, kCanvasGrey, buffer.bytes), "aclrtMemset");
  SetArea(crop_, place.crop, 1);
  SetArea(output.paste, place.paste, output.scale);
  Check(acldvppVpcCropResizePasteAsync(channel_, decoded_, output.picture, crop_, output.paste, resizing_, stream_),
        "acldvppVpcCropResizePasteAsync");
}

void DvppDecoder::WaitFor(const char* function) const {
  // What fails here is the task, which the calls before only handed over.
  Check(aclrtSynchronizeStream(stream_), function);
}

void DvppDecoder::Download(const void* source, std::size_t bytes, void* target) const {
  Check(aclrtMemcpy(target, bytes, source, bytes, is_host_ ? ACL_MEMCPY_DEVICE_TO_HOST : ACL_MEMCPY_DEVICE_TO_DEVICE),
        "aclrtMemcpy");
}

}  // namespace native310
