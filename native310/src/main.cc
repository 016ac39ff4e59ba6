#include <cstdio>
#include <exception>
#include <new>

#include "args.h"
#include "pipeline.h"
#include "standard_streams.h"
#include "user_error.h"

int main(int argc, char** argv) {
  native310::OpenStandardStreams();
  try {
    const native310::Args args = native310::ParseArgs(argc, argv);
    if (args.help) {
      std::fputs(native310::Usage().c_str(), stdout);
    } else {
      native310::RunPipeline(args);
    }
    return 0;
  } catch (const native310::UsageError& error) {
    std::fprintf(stderr, "native310: %s\n", error.what());
    return 2;
  } catch (const std::bad_alloc&) {
    std::fputs("native310: out of memory: free some, or use a smaller input or batch\n", stderr);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "native310: %s\n", error.what());
  }
  return 1;
}
