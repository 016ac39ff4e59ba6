// Convolution and batch normalisation of channels-last tensors for training on CPUs, as operators of MindSpore.
//
// The interface is that of MindSpore's custom operators of type aot: the operands, inputs first, then outputs, with
// their shapes; the result is 0, or another number after an error. All tensors are float32. Images are [N, H, W, C],
// weights [O, C, K, K].

#include <cstdint>
#include <exception>
#include <map>
#include <memory>
#include <mutex>
#include <oneapi/dnnl/dnnl.hpp>
#include <oneapi/dnnl/dnnl_threadpool.hpp>
#include <tuple>

#include "batch_norm.h"
#include "thread_pool.h"

namespace {

using dnnl::algorithm;
using dnnl::convolution_backward_data;
using dnnl::convolution_backward_weights;
using dnnl::convolution_forward;
using dnnl::memory;
using dnnl::prop_kind;
using Tag = memory::format_tag;

// Operators run one after the other, each on all threads.
std::mutex running;
int thread_count = 1;

struct Runtime {
  ThreadPool pool{thread_count};
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream = dnnl::threadpool_interop::make_stream(engine, &pool);
};

Runtime& runtime() {
  static Runtime* const instance = new Runtime;
  return *instance;
}

memory::desc description(const memory::dims& dims, Tag tag) { return {dims, memory::data_type::f32, tag}; }

// A convolution with a padding of kernel / 2 and any stride, by its shapes.
struct Shape {
  int64_t images, in_channels, in_height, in_width, out_channels, out_height, out_width, kernel;

  Shape(const int64_t* in, const int64_t* weights, const int64_t* out)
      : images(in[0]),
        in_channels(in[3]),
        in_height(in[1]),
        in_width(in[2]),
        out_channels(out[3]),
        out_height(out[1]),
        out_width(out[2]),
        kernel(weights[2]) {}

  bool operator<(const Shape& other) const { return key() < other.key(); }
  memory::dims in() const { return {images, in_channels, in_height, in_width}; }
  memory::dims out() const { return {images, out_channels, out_height, out_width}; }
  memory::dims weights() const { return {out_channels, in_channels, kernel, kernel}; }
  memory::dims strides() const { return {stride(), stride()}; }
  memory::dims padding() const { return {kernel / 2, kernel / 2}; }

 private:
  int64_t stride() const { return (in_height + out_height - 1) / out_height; }
  std::tuple<int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t> key() const {
    return {images, in_channels, in_height, in_width, out_channels, out_height, kernel};
  }
};

// A convolution, forward or one of its gradients, with the weights in the layout that oneDNN prefers.
template <class Primitive>
struct Prepared {
  typename Primitive::primitive_desc chosen;
  Primitive primitive;
  memory own_weights;
};

convolution_forward::primitive_desc choose_forward(const Shape& shape) {
  return {runtime().engine,
          prop_kind::forward_training,
          algorithm::convolution_direct,
          description(shape.in(), Tag::nhwc),
          description(shape.weights(), Tag::any),
          description(shape.out(), Tag::nhwc),
          shape.strides(),
          shape.padding(),
          shape.padding()};
}

template <class Gradient>
typename Gradient::primitive_desc choose_gradient(const Shape& shape) {
  return {runtime().engine,
          algorithm::convolution_direct,
          description(shape.in(), Tag::nhwc),
          description(shape.weights(), Tag::any),
          description(shape.out(), Tag::nhwc),
          shape.strides(),
          shape.padding(),
          shape.padding(),
          choose_forward(shape)};
}

template <class Primitive>
typename Primitive::primitive_desc choose(const Shape& shape) {
  return choose_gradient<Primitive>(shape);
}

template <>
convolution_forward::primitive_desc choose<convolution_forward>(const Shape& shape) {
  return choose_forward(shape);
}

memory::desc weights_of(const convolution_backward_weights::primitive_desc& chosen) {
  return chosen.diff_weights_desc();
}
memory::desc weights_of(const convolution_backward_data::primitive_desc& chosen) { return chosen.weights_desc(); }
memory::desc weights_of(const convolution_forward::primitive_desc& chosen) { return chosen.weights_desc(); }

template <class Primitive>
Prepared<Primitive>& prepared(const Shape& shape) {
  static std::map<Shape, std::unique_ptr<Prepared<Primitive>>> by_shape;
  std::unique_ptr<Prepared<Primitive>>& found = by_shape[shape];
  if (!found) {
    auto chosen = choose<Primitive>(shape);
    found.reset(new Prepared<Primitive>{chosen, Primitive(chosen), memory(weights_of(chosen), runtime().engine)});
  }
  return *found;
}

memory images_at(const memory::dims& dims, void* data) {
  return memory(description(dims, Tag::nhwc), runtime().engine, data);
}

memory weights_at(const Shape& shape, void* data) {
  return memory(description(shape.weights(), Tag::oihw), runtime().engine, data);
}

void reorder(memory& from, memory& to) { dnnl::reorder(from, to).execute(runtime().stream, from, to); }

template <class Work>
int guarded(Work work) {
  try {
    std::lock_guard<std::mutex> lock(running);
    work();
    runtime().stream.wait();
    return 0;
  } catch (const std::exception&) {
    return 1;
  }
}

NormOptions options_at(const void* data) {
  const float* values = static_cast<const float*>(data);
  return {values[0], values[1], values[2]};
}

float* floats(void* data) { return static_cast<float*>(data); }

}  // namespace

extern "C" {

// To be called before the first operator runs.
void set_thread_count(int count) { thread_count = count; }

// (input, weights) -> output
int convolution(int, void** data, int*, int64_t** shapes, const char**, void*, void*) {
  return guarded([&] {
    const Shape shape(shapes[0], shapes[1], shapes[2]);
    auto& use = prepared<convolution_forward>(shape);
    memory weights = weights_at(shape, data[1]);
    reorder(weights, use.own_weights);
    use.primitive.execute(runtime().stream, {{DNNL_ARG_SRC, images_at(shape.in(), data[0])},
                                             {DNNL_ARG_WEIGHTS, use.own_weights},
                                             {DNNL_ARG_DST, images_at(shape.out(), data[2])}});
  });
}

// (gradient of the output, weights, input) -> gradient of the input; of the input only the shape counts.
int convolution_input_gradient(int, void** data, int*, int64_t** shapes, const char**, void*, void*) {
  return guarded([&] {
    const Shape shape(shapes[2], shapes[1], shapes[0]);
    auto& use = prepared<convolution_backward_data>(shape);
    memory weights = weights_at(shape, data[1]);
    reorder(weights, use.own_weights);
    use.primitive.execute(runtime().stream, {{DNNL_ARG_DIFF_DST, images_at(shape.out(), data[0])},
                                             {DNNL_ARG_WEIGHTS, use.own_weights},
                                             {DNNL_ARG_DIFF_SRC, images_at(shape.in(), data[3])}});
  });
}

// (gradient of the output, weights, input) -> gradient of the weights; of the weights only the shape counts.
int convolution_weight_gradient(int, void** data, int*, int64_t** shapes, const char**, void*, void*) {
  return guarded([&] {
    const Shape shape(shapes[2], shapes[1], shapes[0]);
    auto& use = prepared<convolution_backward_weights>(shape);
    use.primitive.execute(runtime().stream, {{DNNL_ARG_SRC, images_at(shape.in(), data[2])},
                                             {DNNL_ARG_DIFF_DST, images_at(shape.out(), data[0])},
                                             {DNNL_ARG_DIFF_WEIGHTS, use.own_weights}});
    memory weights = weights_at(shape, data[3]);
    reorder(use.own_weights, weights);
  });
}

// (input, gamma, beta, running mean, running variance, options) -> (output, mean, inverse standard deviation, new
// running mean, new running variance); options are those of `NormOptions` in order, float32 [3].
int batch_norm_and_leaky_relu(int, void** data, int*, int64_t** shapes, const char**, void*, void*) {
  return guarded([&] {
    const int64_t* dims = shapes[0];
    normalise_and_activate(
        {dims[0] * dims[1] * dims[2], dims[3], floats(data[0]), floats(data[1]), floats(data[2]), floats(data[3]),
         floats(data[4]), floats(data[6]), floats(data[7]), floats(data[8]), floats(data[9]), floats(data[10])},
        options_at(data[5]), runtime().pool);
  });
}

// (gradient of the output, input, gamma, beta, mean, inverse standard deviation, options) -> gradients of (input,
// gamma, beta)
int batch_norm_and_leaky_relu_gradient(int, void** data, int*, int64_t** shapes, const char**, void*, void*) {
  return guarded([&] {
    const int64_t* dims = shapes[0];
    normalise_and_activate_gradient(
        {dims[0] * dims[1] * dims[2], dims[3], floats(data[0]), floats(data[1]), floats(data[2]), floats(data[3]),
         floats(data[4]), floats(data[5]), floats(data[7]), floats(data[8]), floats(data[9])},
        options_at(data[6]), runtime().pool);
  });
}

}  // extern "C"
