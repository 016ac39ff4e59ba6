// Rounding of the numbers in result files.
#pragma once

#include <cmath>

namespace native310 {

// Rounds to a number of decimals, halves to even, like numpy.round.
inline double Rounded(double value, int decimals) {
  const double scale = std::pow(10.0, decimals);
  return std::nearbyint(value * scale) / scale;
}

}  // namespace native310
