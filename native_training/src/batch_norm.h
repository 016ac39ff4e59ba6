// Batch normalisation with leaky ReLU of rows of channels, and its gradient, on the threads of a pool.
#pragma once

#include <cstdint>

#include "thread_pool.h"

struct NormOptions {
  float epsilon;    // added to the variance
  float new_share;  // of the batch's statistics in the running ones
  float slope;      // of the activation below 0
};

// Float32 [rows, channels], and one value for each channel.
struct NormForward {
  int64_t rows, channels;
  const float *in, *gamma, *beta, *old_mean, *old_variance;
  float *out, *mean, *inverse_deviation, *new_mean, *new_variance;
};

struct NormBackward {
  int64_t rows, channels;
  const float *out_gradient, *in, *gamma, *beta, *mean, *inverse_deviation;
  float *in_gradient, *gamma_gradient, *beta_gradient;
};

// The running variance is one of unbiased variances, as in MindSpore.
void normalise_and_activate(const NormForward& norm, const NormOptions& options, ThreadPool& pool);
void normalise_and_activate_gradient(const NormBackward& norm, const NormOptions& options, ThreadPool& pool);
