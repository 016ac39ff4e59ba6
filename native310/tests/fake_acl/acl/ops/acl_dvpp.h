/* The part of DVPP's interface that engine acl calls, declared as CANN documents it, for a build without CANN. */
#ifndef ENABLE_DVPP_INTERFACE
#error "define ENABLE_DVPP_INTERFACE to use DVPP"
#endif

#ifndef FAKE_ACL_OPS_ACL_DVPP_H
#define FAKE_ACL_OPS_ACL_DVPP_H

#include "acl/acl.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct acldvppPicDesc acldvppPicDesc;
typedef struct acldvppRoiConfig acldvppRoiConfig;
typedef struct acldvppResizeConfig acldvppResizeConfig;
typedef struct acldvppChannelDesc acldvppChannelDesc;

enum acldvppPixelFormat {
  PIXEL_FORMAT_YUV_400 = 0,
  PIXEL_FORMAT_YUV_SEMIPLANAR_420 = 1,
  PIXEL_FORMAT_YVU_SEMIPLANAR_420 = 2
};

aclError acldvppMalloc(void** devPtr, size_t size);
aclError acldvppFree(void* devPtr);

acldvppChannelDesc* acldvppCreateChannelDesc();
aclError acldvppDestroyChannelDesc(acldvppChannelDesc* channelDesc);
aclError acldvppCreateChannel(acldvppChannelDesc* channelDesc);
aclError acldvppDestroyChannel(acldvppChannelDesc* channelDesc);

acldvppPicDesc* acldvppCreatePicDesc();
aclError acldvppDestroyPicDesc(acldvppPicDesc* picDesc);
aclError acldvppSetPicDescData(acldvppPicDesc* picDesc, void* dataDev);
aclError acldvppSetPicDescSize(acldvppPicDesc* picDesc, uint32_t size);
aclError acldvppSetPicDescFormat(acldvppPicDesc* picDesc, acldvppPixelFormat format);
aclError acldvppSetPicDescWidth(acldvppPicDesc* picDesc, uint32_t width);
aclError acldvppSetPicDescHeight(acldvppPicDesc* picDesc, uint32_t height);
aclError acldvppSetPicDescWidthStride(acldvppPicDesc* picDesc, uint32_t widthStride);
aclError acldvppSetPicDescHeightStride(acldvppPicDesc* picDesc, uint32_t heightStride);
uint32_t acldvppGetPicDescRetCode(const acldvppPicDesc* picDesc);

acldvppRoiConfig* acldvppCreateRoiConfig(uint32_t left, uint32_t right, uint32_t top, uint32_t bottom);
aclError acldvppDestroyRoiConfig(acldvppRoiConfig* roiConfig);
aclError acldvppSetRoiConfig(acldvppRoiConfig* config, uint32_t left, uint32_t right, uint32_t top, uint32_t bottom);
acldvppResizeConfig* acldvppCreateResizeConfig();
aclError acldvppDestroyResizeConfig(acldvppResizeConfig* resizeConfig);

aclError acldvppJpegGetImageInfo(const void* data, uint32_t size, uint32_t* width, uint32_t* height,
                                 int32_t* components);
aclError acldvppJpegPredictDecSize(const void* data, uint32_t dataSize, acldvppPixelFormat outputPixelFormat,
                                   uint32_t* decSize);
aclError acldvppJpegDecodeAsync(acldvppChannelDesc* channelDesc, const void* data, uint32_t size,
                                acldvppPicDesc* outputDesc, aclrtStream stream);
aclError acldvppVpcResizeAsync(acldvppChannelDesc* channelDesc, acldvppPicDesc* inputDesc, acldvppPicDesc* outputDesc,
                               acldvppResizeConfig* resizeConfig, aclrtStream stream);
aclError acldvppVpcCropResizePasteAsync(acldvppChannelDesc* channelDesc, acldvppPicDesc* inputDesc,
                                        acldvppPicDesc* outputDesc, acldvppRoiConfig* cropArea,
                                        acldvppRoiConfig* pasteArea, acldvppResizeConfig* resizeConfig,
                                        aclrtStream stream);

#ifdef __cplusplus
}
#endif

#endif
