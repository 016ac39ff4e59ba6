// The memory, contexts and streams of the fake device.
#pragma once

#include <acl/acl.h>

#include <cstddef>
#include <functional>

namespace fake_acl {

constexpr aclError kFailure = 507018;

inline aclError Result(bool is_right) { return is_right ? ACL_SUCCESS : kFailure; }

aclrtRunMode RunMode();

// Allocates device memory of a kind: "memory" or "dvpp memory". It holds noise at first.
void* AllocateOnDevice(const char* kind, std::size_t bytes);
// Frees it; a violation if it is of another kind.
void FreeOnDevice(const char* kind, void* data);
// Whether `count` bytes from `start` lie in one live allocation.
bool IsOnDevice(const void* start, std::size_t count);
bool IsOnDevice(const char* kind, const void* start, std::size_t count);

// The current context of the thread; a new context becomes that of its thread.
void SetContext(void* context);
bool HasContext();

// Hands a task over to a stream; it runs when the caller waits for the stream.
void Enqueue(aclrtStream stream, std::function<void()> task);

// Whether a stream has tasks that no call has waited for.
bool HasPendingTasks();

}  // namespace fake_acl
