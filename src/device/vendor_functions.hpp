// The functions of a vendor's runtime that runtime.cpp calls, by what comes behind `cuda` or `hip`
// in their names. Their arguments are the same.
#pragma once

#define SLUICE_VENDOR_FUNCTIONS(X) \
  X(DeviceCanAccessPeer)           \
  X(DeviceEnablePeerAccess)        \
  X(DeviceGetAttribute)            \
  X(EventCreateWithFlags)          \
  X(EventDestroy)                  \
  X(EventElapsedTime)              \
  X(EventQuery)                    \
  X(EventRecord)                   \
  X(EventSynchronize)              \
  X(Free)                          \
  X(FreeAsync)                     \
  X(GetDevice)                     \
  X(GetDeviceCount)                \
  X(GetErrorName)                  \
  X(GetErrorString)                \
  X(GetLastError)                  \
  X(GraphDestroy)                  \
  X(GraphExecDestroy)              \
  X(GraphLaunch)                   \
  X(HostGetDevicePointer)          \
  X(HostRegister)                  \
  X(HostUnregister)                \
  X(IpcCloseMemHandle)             \
  X(IpcGetMemHandle)               \
  X(IpcOpenMemHandle)              \
  X(LaunchKernel)                  \
  X(MemcpyAsync)                   \
  X(MemsetAsync)                   \
  X(SetDevice)                     \
  X(StreamBeginCapture)            \
  X(StreamCreateWithFlags)         \
  X(StreamDestroy)                 \
  X(StreamEndCapture)              \
  X(StreamSynchronize)             \
  X(StreamWaitEvent)               \
  X(ThreadExchangeStreamCaptureMode)
