// Values that several of our JSON files share.
#pragma once

#include <array>
#include <limits>

#include "json_reader.h"
#include "network_io.h"

namespace native310 {

// An array of exactly N numbers.
template <typename T, std::size_t N>
std::array<T, N> ReadNumbers(JsonReader* json) {
  std::array<T, N> numbers{};
  std::size_t count = 0;
  json->Array([&] {
    const double number = json->Number();
    if (count < N) numbers[count] = static_cast<T>(number);
    ++count;
  });
  if (count != N) json->Fail("an array of " + std::to_string(N) + " numbers expected");
  return numbers;
}

// A length in pixels, at least 1.
inline int ReadExtent(JsonReader* json) {
  const std::int64_t extent = json->Integer();
  if (extent < 1 || extent > std::numeric_limits<int>::max()) json->Fail("a length in pixels, at least 1, expected");
  return static_cast<int>(extent);
}

// [height, width]
inline InputSize ReadInputSize(JsonReader* json) {
  InputSize size;
  int count = 0;
  json->Array([&] {
    const int extent = ReadExtent(json);
    (count == 0 ? size.height : size.width) = extent;
    ++count;
  });
  if (count != 2) json->Fail("[height, width] expected");
  return size;
}

}  // namespace native310
