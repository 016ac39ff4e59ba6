// DVPP of the fake AscendCL: decodes and resizes real pixels; records what CANN's documentation does not allow.
#define ENABLE_DVPP_INTERFACE
#include <acl/ops/acl_dvpp.h>

#include <cstdlib>
#include <cstring>
#include <string>

#include "fake_device.h"
#include "fake_picture.h"
#include "fake_state.h"

using fake_acl::Area;
using fake_acl::HasContext;
using fake_acl::IsOnDevice;
using fake_acl::JpegInfo;
using fake_acl::kFailure;
using fake_acl::Picture;
using fake_acl::Result;
using fake_acl::State;

struct acldvppPicDesc {
  void* data = nullptr;
  std::uint32_t size = 0;
  acldvppPixelFormat format = PIXEL_FORMAT_YUV_400;
  std::uint32_t width = 0, height = 0, width_stride = 0, height_stride = 0, return_code = 0;
};
struct acldvppRoiConfig {
  std::uint32_t left, right, top, bottom;
};
struct acldvppResizeConfig {};
struct acldvppChannelDesc {};

namespace {

constexpr std::size_t kMaxSide = 4096;
constexpr std::size_t kMaxShrinking = 32;
constexpr std::size_t kMaxEnlarging = 16;
constexpr std::uint32_t kDecodingFailed = 1;

std::size_t AlignUp(std::size_t value, std::size_t alignment) {
  return (value + alignment - 1) / alignment * alignment;
}

std::size_t DecodedWidthAlignment() {
  const char* name = std::getenv("FAKE_ACL_SOC");
  return name != nullptr && std::string(name).rfind("Ascend310P", 0) == 0 ? 64 : 128;
}

template <typename T>
T* Create(const char* function, const char* kind, T value) {
  State& state = State::Get();
  if (state.Enter(function)) return nullptr;
  auto* created = new T(value);
  state.Add(kind, created);
  return created;
}

template <typename T>
aclError Destroy(const char* function, const char* kind, T* handle) {
  State& state = State::Get();
  const bool fails = state.Enter(function);
  state.Remove(kind, handle);
  delete handle;
  return Result(!fails);
}

template <typename T>
aclError Set(const char* function, acldvppPicDesc* picture, T acldvppPicDesc::* member, T value) {
  State& state = State::Get();
  if (state.Enter(function)) return kFailure;
  if (!state.Require(state.Has("picture", picture), std::string(function) + " of no picture")) return kFailure;
  picture->*member = value;
  return ACL_SUCCESS;
}

Picture PixelsOf(const acldvppPicDesc& picture) {
  return {static_cast<unsigned char*>(picture.data), picture.width, picture.height, picture.width_stride,
          picture.height_stride};
}

bool CanRun(const std::string& function, acldvppChannelDesc* channel, aclrtStream stream) {
  State& state = State::Get();
  return state.Require(HasContext(), function + " without context") &&
         state.Require(state.Has("channel", channel), function + " without channel") &&
         state.Require(state.Has("stream", stream), function + " without stream");
}

// Whether a picture is one that VPC reads or writes.
bool IsPicture(const std::string& function, const acldvppPicDesc* picture) {
  State& state = State::Get();
  if (!state.Require(state.Has("picture", picture), function + " of no picture")) return false;
  const std::size_t needed = std::size_t{picture->width_stride} * picture->height_stride * 3 / 2;
  return state.Require(picture->format == PIXEL_FORMAT_YUV_SEMIPLANAR_420, function + " of another format") &&
         state.Require(picture->width % 2 == 0 && picture->height % 2 == 0, function + " of odd sides") &&
         state.Require(
             picture->width >= 10 && picture->height >= 6 && picture->width <= kMaxSide && picture->height <= kMaxSide,
             function + " of a size out of range") &&
         state.Require(picture->width_stride % 16 == 0 && picture->height_stride % 2 == 0 &&
                           picture->width_stride >= picture->width && picture->height_stride >= picture->height,
                       function + " of wrong strides") &&
         state.Require(picture->size >= needed && IsOnDevice("dvpp memory", picture->data, picture->size),
                       function + " of too little memory, or outside of DVPP's");
}

bool IsArea(const std::string& function, const acldvppRoiConfig* area, const acldvppPicDesc& picture) {
  State& state = State::Get();
  return state.Require(state.Has("area", area), function + " of no area") &&
         state.Require(area->left % 2 == 0 && area->top % 2 == 0 && area->right % 2 == 1 && area->bottom % 2 == 1,
                       function + " of an area that is not even") &&
         state.Require(area->left + 9 <= area->right && area->top + 5 <= area->bottom && area->right < picture.width &&
                           area->bottom < picture.height,
                       function + " of an area out of range");
}

Area AreaOf(const acldvppRoiConfig& area) {
  return {area.left, area.top, std::size_t{area.right} - area.left + 1, std::size_t{area.bottom} - area.top + 1};
}

bool IsScale(const std::string& function, const Area& from, const Area& to) {
  const auto is_in_range = [](std::size_t source, std::size_t target) {
    return target * kMaxShrinking >= source && target <= source * kMaxEnlarging;
  };
  return State::Get().Require(is_in_range(from.width, to.width) && is_in_range(from.height, to.height),
                              function + " by a factor out of range");
}

}  // namespace

extern "C" {

aclError acldvppMalloc(void** data, size_t size) {
  State& state = State::Get();
  if (state.Enter("acldvppMalloc")) return kFailure;
  if (!state.Require(HasContext() && size > 0, "acldvppMalloc without context or of size 0")) return kFailure;
  *data = fake_acl::AllocateOnDevice("dvpp memory", size);
  return ACL_SUCCESS;
}

aclError acldvppFree(void* data) {
  const bool fails = State::Get().Enter("acldvppFree");
  State::Get().Require(!fake_acl::HasPendingTasks(), "acldvppFree of memory that a task in a stream may use");
  fake_acl::FreeOnDevice("dvpp memory", data);
  return Result(!fails);
}

acldvppChannelDesc* acldvppCreateChannelDesc() {
  return Create("acldvppCreateChannelDesc", "channel desc", acldvppChannelDesc{});
}

aclError acldvppDestroyChannelDesc(acldvppChannelDesc* channel) {
  State::Get().Require(!State::Get().Has("channel", channel), "channel desc released before its channel");
  return Destroy("acldvppDestroyChannelDesc", "channel desc", channel);
}

aclError acldvppCreateChannel(acldvppChannelDesc* channel) {
  State& state = State::Get();
  if (state.Enter("acldvppCreateChannel")) return kFailure;
  if (!state.Require(HasContext() && state.Has("channel desc", channel),
                     "acldvppCreateChannel without context or desc")) {
    return kFailure;
  }
  state.Add("channel", channel);
  return ACL_SUCCESS;
}

aclError acldvppDestroyChannel(acldvppChannelDesc* channel) {
  State& state = State::Get();
  const bool fails = state.Enter("acldvppDestroyChannel");
  state.Remove("channel", channel);
  return Result(!fails);
}

acldvppPicDesc* acldvppCreatePicDesc() { return Create("acldvppCreatePicDesc", "picture", acldvppPicDesc{}); }

aclError acldvppDestroyPicDesc(acldvppPicDesc* picture) { return Destroy("acldvppDestroyPicDesc", "picture", picture); }

aclError acldvppSetPicDescData(acldvppPicDesc* picture, void* data) {
  State::Get().Require(IsOnDevice("dvpp memory", data, 1), "acldvppSetPicDescData outside of DVPP's memory");
  return Set("acldvppSetPicDescData", picture, &acldvppPicDesc::data, data);
}

aclError acldvppSetPicDescSize(acldvppPicDesc* picture, uint32_t size) {
  return Set("acldvppSetPicDescSize", picture, &acldvppPicDesc::size, size);
}

aclError acldvppSetPicDescFormat(acldvppPicDesc* picture, acldvppPixelFormat format) {
  return Set("acldvppSetPicDescFormat", picture, &acldvppPicDesc::format, format);
}

aclError acldvppSetPicDescWidth(acldvppPicDesc* picture, uint32_t width) {
  return Set("acldvppSetPicDescWidth", picture, &acldvppPicDesc::width, width);
}

aclError acldvppSetPicDescHeight(acldvppPicDesc* picture, uint32_t height) {
  return Set("acldvppSetPicDescHeight", picture, &acldvppPicDesc::height, height);
}

aclError acldvppSetPicDescWidthStride(acldvppPicDesc* picture, uint32_t stride) {
  return Set("acldvppSetPicDescWidthStride", picture, &acldvppPicDesc::width_stride, stride);
}

aclError acldvppSetPicDescHeightStride(acldvppPicDesc* picture, uint32_t stride) {
  return Set("acldvppSetPicDescHeightStride", picture, &acldvppPicDesc::height_stride, stride);
}

uint32_t acldvppGetPicDescRetCode(const acldvppPicDesc* picture) {
  return State::Get().Enter("acldvppGetPicDescRetCode") ? kDecodingFailed : picture->return_code;
}

acldvppRoiConfig* acldvppCreateRoiConfig(uint32_t left, uint32_t right, uint32_t top, uint32_t bottom) {
  return Create("acldvppCreateRoiConfig", "area", acldvppRoiConfig{left, right, top, bottom});
}

aclError acldvppDestroyRoiConfig(acldvppRoiConfig* area) { return Destroy("acldvppDestroyRoiConfig", "area", area); }

aclError acldvppSetRoiConfig(acldvppRoiConfig* area, uint32_t left, uint32_t right, uint32_t top, uint32_t bottom) {
  State& state = State::Get();
  if (state.Enter("acldvppSetRoiConfig")) return kFailure;
  if (!state.Require(state.Has("area", area), "acldvppSetRoiConfig of no area")) return kFailure;
  *area = {left, right, top, bottom};
  return ACL_SUCCESS;
}

acldvppResizeConfig* acldvppCreateResizeConfig() {
  return Create("acldvppCreateResizeConfig", "resizing", acldvppResizeConfig{});
}

aclError acldvppDestroyResizeConfig(acldvppResizeConfig* config) {
  return Destroy("acldvppDestroyResizeConfig", "resizing", config);
}

aclError acldvppJpegGetImageInfo(const void* data, uint32_t size, uint32_t* width, uint32_t* height,
                                 int32_t* components) {
  State& state = State::Get();
  if (state.Enter("acldvppJpegGetImageInfo")) return kFailure;
  state.Require(!IsOnDevice(data, 1), "acldvppJpegGetImageInfo of device memory");
  const auto info = fake_acl::ReadJpegInfo(static_cast<const unsigned char*>(data), size);
  if (!info) return kFailure;
  *width = info->width;
  *height = info->height;
  *components = info->components;
  return ACL_SUCCESS;
}

aclError acldvppJpegPredictDecSize(const void* data, uint32_t size, acldvppPixelFormat format, uint32_t* predicted) {
  State& state = State::Get();
  if (state.Enter("acldvppJpegPredictDecSize")) return kFailure;
  state.Require(!IsOnDevice(data, 1), "acldvppJpegPredictDecSize of device memory");
  state.Require(format == PIXEL_FORMAT_YUV_SEMIPLANAR_420, "acldvppJpegPredictDecSize for another format");
  const auto info = fake_acl::ReadJpegInfo(static_cast<const unsigned char*>(data), size);
  if (!info) return kFailure;
  *predicted = static_cast<uint32_t>(AlignUp(info->width, DecodedWidthAlignment()) * AlignUp(info->height, 16) * 3 / 2);
  return ACL_SUCCESS;
}

aclError acldvppJpegDecodeAsync(acldvppChannelDesc* channel, const void* data, uint32_t size, acldvppPicDesc* output,
                                aclrtStream stream) {
  const std::string function = "acldvppJpegDecodeAsync";
  State& state = State::Get();
  if (state.Enter(function)) return kFailure;
  if (!CanRun(function, channel, stream) ||
      !state.Require(IsOnDevice("dvpp memory", data, size), function + " outside of DVPP's memory") ||
      !state.Require(state.Has("picture", output), function + " into no picture")) {
    return kFailure;
  }
  const auto* jpeg = static_cast<const unsigned char*>(data);
  const auto info = fake_acl::ReadJpegInfo(jpeg, size);
  if (!info) return kFailure;
  const std::size_t width_stride = AlignUp(info->width, DecodedWidthAlignment());
  const std::size_t height_stride = AlignUp(info->height, 16);
  const bool is_right =
      state.Require(!info->is_progressive && !info->is_arithmetic && info->components != 4,
                    function + " of a JPEG that is not baseline YCbCr") &&
      state.Require(!info->has_exif, function + " of a JPEG with EXIF, which it might turn") &&
      state.Require(info->width >= 32 && info->height >= 32, function + " of a size out of range") &&
      state.Require(output->format == PIXEL_FORMAT_YUV_SEMIPLANAR_420, function + " into another format") &&
      state.Require(output->width == info->width && output->height == info->height, function + " into another size") &&
      state.Require(output->width_stride == width_stride && output->height_stride == height_stride,
                    function + " into wrong strides") &&
      state.Require(
          output->size >= width_stride * height_stride * 3 / 2 && IsOnDevice("dvpp memory", output->data, output->size),
          function + " into too little memory");
  if (!is_right) return kFailure;
  output->return_code = 0;
  fake_acl::Enqueue(stream, [jpeg, size, output] {
    if (!fake_acl::DecodeJpeg(jpeg, size, PixelsOf(*output))) output->return_code = kDecodingFailed;
  });
  return ACL_SUCCESS;
}

aclError acldvppVpcResizeAsync(acldvppChannelDesc* channel, acldvppPicDesc* input, acldvppPicDesc* output,
                               acldvppResizeConfig* config, aclrtStream stream) {
  const std::string function = "acldvppVpcResizeAsync";
  State& state = State::Get();
  if (state.Enter(function)) return kFailure;
  if (!CanRun(function, channel, stream) || !IsPicture(function, input) || !IsPicture(function, output) ||
      !state.Require(state.Has("resizing", config), function + " without config")) {
    return kFailure;
  }
  const Area from = {0, 0, input->width, input->height};
  const Area to = {0, 0, output->width, output->height};
  if (!IsScale(function, from, to)) return kFailure;
  fake_acl::Enqueue(stream, [source = PixelsOf(*input), target = PixelsOf(*output), from, to] {
    fake_acl::ResizePicture(source, from, target, to);
  });
  return ACL_SUCCESS;
}

aclError acldvppVpcCropResizePasteAsync(acldvppChannelDesc* channel, acldvppPicDesc* input, acldvppPicDesc* output,
                                        acldvppRoiConfig* crop, acldvppRoiConfig* paste, acldvppResizeConfig* config,
                                        aclrtStream stream) {
  const std::string function = "acldvppVpcCropResizePasteAsync";
  State& state = State::Get();
  if (state.Enter(function)) return kFailure;
  if (!CanRun(function, channel, stream) || !IsPicture(function, input) || !IsPicture(function, output) ||
      !IsArea(function, crop, *input) || !IsArea(function, paste, *output) ||
      !state.Require(paste->left % 16 == 0, function + " with a left edge that is no multiple of 16") ||
      !state.Require(state.Has("resizing", config), function + " without config")) {
    return kFailure;
  }
  const Area from = AreaOf(*crop);
  const Area to = AreaOf(*paste);
  if (!IsScale(function, from, to)) return kFailure;
  fake_acl::Enqueue(stream, [source = PixelsOf(*input), target = PixelsOf(*output), from, to] {
    fake_acl::ResizePicture(source, from, target, to);
  });
  return ACL_SUCCESS;
}

}  // extern "C"
