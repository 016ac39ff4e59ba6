#include "fake_device.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "fake_state.h"

namespace fake_acl {
namespace {

// As CANN aligns the memory of DVPP.
constexpr std::size_t kAlignment = 128;
constexpr int kNoise = 0xA5;

struct Freed {
  void operator()(unsigned char* memory) const { std::free(memory); }
};

struct Allocation {
  std::string kind;
  std::unique_ptr<unsigned char, Freed> memory;
  std::size_t bytes;
};

std::mutex g_mutex;
std::vector<Allocation>& Allocations() {
  static std::vector<Allocation> allocations;
  return allocations;
}

std::map<aclrtStream, std::deque<std::function<void()>>>& Tasks() {
  static std::map<aclrtStream, std::deque<std::function<void()>>> tasks;
  return tasks;
}

thread_local void* g_context = nullptr;

const Allocation* Find(const void* start, std::size_t count) {
  const auto* first = static_cast<const unsigned char*>(start);
  for (const Allocation& allocation : Allocations()) {
    const unsigned char* memory = allocation.memory.get();
    if (first >= memory && first < memory + allocation.bytes) {
      return count <= static_cast<std::size_t>(memory + allocation.bytes - first) ? &allocation : nullptr;
    }
  }
  return nullptr;
}

}  // namespace

aclrtRunMode RunMode() {
  const char* mode = std::getenv("FAKE_ACL_RUN_MODE");
  return mode != nullptr && std::strcmp(mode, "device") == 0 ? ACL_DEVICE : ACL_HOST;
}

void* AllocateOnDevice(const char* kind, std::size_t bytes) {
  const std::lock_guard<std::mutex> lock(g_mutex);
  const std::size_t rounded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  auto* memory = static_cast<unsigned char*>(std::aligned_alloc(kAlignment, rounded));
  std::memset(memory, kNoise, bytes);
  Allocations().push_back({kind, std::unique_ptr<unsigned char, Freed>(memory), bytes});
  State::Get().Add(kind, memory);
  return memory;
}

void FreeOnDevice(const char* kind, void* data) {
  const std::lock_guard<std::mutex> lock(g_mutex);
  State::Get().Remove(kind, data);
  std::vector<Allocation>& allocations = Allocations();
  for (auto allocation = allocations.begin(); allocation != allocations.end(); ++allocation) {
    if (allocation->memory.get() == data) {
      allocations.erase(allocation);
      return;
    }
  }
}

bool IsOnDevice(const void* start, std::size_t count) {
  const std::lock_guard<std::mutex> lock(g_mutex);
  return Find(start, count) != nullptr;
}

bool IsOnDevice(const char* kind, const void* start, std::size_t count) {
  const std::lock_guard<std::mutex> lock(g_mutex);
  const Allocation* allocation = Find(start, count);
  return allocation != nullptr && allocation->kind == kind;
}

void SetContext(void* context) { g_context = context; }

bool HasContext() { return State::Get().Has("context", g_context); }

void Enqueue(aclrtStream stream, std::function<void()> task) {
  const std::lock_guard<std::mutex> lock(g_mutex);
  Tasks()[stream].push_back(std::move(task));
}

bool HasPendingTasks() {
  const std::lock_guard<std::mutex> lock(g_mutex);
  return std::any_of(Tasks().begin(), Tasks().end(), [](const auto& entry) { return !entry.second.empty(); });
}

}  // namespace fake_acl

using fake_acl::HasContext;
using fake_acl::kFailure;
using fake_acl::Result;
using fake_acl::State;

extern "C" {

aclError aclrtCreateContext(aclrtContext* context, int32_t) {
  State& state = State::Get();
  if (state.Enter("aclrtCreateContext")) return kFailure;
  const bool is_right = state.Require(state.HasAny("device"), "aclrtCreateContext before aclrtSetDevice");
  *context = new char;
  state.Add("context", *context);
  fake_acl::SetContext(*context);
  return Result(is_right);
}

aclError aclrtDestroyContext(aclrtContext context) {
  State& state = State::Get();
  const bool fails = state.Enter("aclrtDestroyContext");
  state.Remove("context", context, {"stream", "channel"});
  delete static_cast<char*>(context);
  return Result(!fails);
}

aclError aclrtSetCurrentContext(aclrtContext context) {
  State& state = State::Get();
  if (state.Enter("aclrtSetCurrentContext")) return kFailure;
  if (!state.Require(state.Has("context", context), "aclrtSetCurrentContext of no context")) return kFailure;
  fake_acl::SetContext(context);
  return ACL_SUCCESS;
}

aclError aclrtCreateStream(aclrtStream* stream) {
  State& state = State::Get();
  if (state.Enter("aclrtCreateStream")) return kFailure;
  const bool is_right = state.Require(HasContext(), "aclrtCreateStream without context");
  *stream = new char;
  state.Add("stream", *stream);
  return Result(is_right);
}

aclError aclrtDestroyStream(aclrtStream stream) {
  State& state = State::Get();
  const bool fails = state.Enter("aclrtDestroyStream");
  state.Remove("stream", stream);
  fake_acl::Tasks().erase(stream);
  delete static_cast<char*>(stream);
  return Result(!fails);
}

aclError aclrtSynchronizeStream(aclrtStream stream) {
  State& state = State::Get();
  if (state.Enter("aclrtSynchronizeStream")) return kFailure;
  if (!state.Require(HasContext() && state.Has("stream", stream), "aclrtSynchronizeStream without context or stream")) {
    return kFailure;
  }
  std::deque<std::function<void()>> tasks;
  {
    const std::lock_guard<std::mutex> lock(fake_acl::g_mutex);
    tasks.swap(fake_acl::Tasks()[stream]);
  }
  for (const std::function<void()>& task : tasks) task();
  return ACL_SUCCESS;
}

aclError aclrtMalloc(void** data, size_t size, aclrtMemMallocPolicy) {
  State& state = State::Get();
  if (state.Enter("aclrtMalloc")) return kFailure;
  if (!state.Require(HasContext() && size > 0, "aclrtMalloc without context or of size 0")) return kFailure;
  *data = fake_acl::AllocateOnDevice("memory", size);
  return ACL_SUCCESS;
}

aclError aclrtFree(void* data) {
  const bool fails = State::Get().Enter("aclrtFree");
  fake_acl::FreeOnDevice("memory", data);
  return Result(!fails);
}

aclError aclrtMemcpy(void* target, size_t room, const void* source, size_t count, aclrtMemcpyKind kind) {
  State& state = State::Get();
  if (state.Enter("aclrtMemcpy")) return kFailure;
  const bool to_device = fake_acl::IsOnDevice(target, count);
  const bool from_device = fake_acl::IsOnDevice(source, count);
  const aclrtMemcpyKind expected = fake_acl::RunMode() == ACL_DEVICE ? ACL_MEMCPY_DEVICE_TO_DEVICE
                                   : to_device                       ? ACL_MEMCPY_HOST_TO_DEVICE
                                                                     : ACL_MEMCPY_DEVICE_TO_HOST;
  const bool is_right = state.Require(HasContext(), "aclrtMemcpy without context") &&
                        state.Require(kind == expected, "aclrtMemcpy of the wrong kind") &&
                        state.Require(to_device != from_device, "aclrtMemcpy outside of device memory") &&
                        state.Require(count <= room, "aclrtMemcpy beyond its target");
  if (is_right) std::memcpy(target, source, count);
  return Result(is_right);
}

aclError aclrtMemset(void* data, size_t room, int32_t value, size_t count) {
  State& state = State::Get();
  if (state.Enter("aclrtMemset")) return kFailure;
  const bool is_right = state.Require(HasContext(), "aclrtMemset without context") &&
                        state.Require(fake_acl::IsOnDevice(data, room), "aclrtMemset outside of device memory") &&
                        state.Require(count <= room, "aclrtMemset beyond its target");
  if (is_right) std::memset(data, value, count);
  return Result(is_right);
}

}  // extern "C"
