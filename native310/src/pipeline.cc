#include "pipeline.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <exception>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "benchmark_stats.h"
#include "engine.h"
#include "image_source.h"
#include "input_file.h"
#include "model_description.h"
#include "ordered_queue.h"
#include "postprocess.h"
#include "progress.h"
#include "queue.h"
#include "raw_maps.h"
#include "result_writer.h"
#include "user_error.h"

namespace native310 {
namespace {

// Batches that may wait before and after the network.
constexpr std::size_t kBatchesAhead = 2;
constexpr std::size_t kMaxReaders = 8;

// A batch of images on its way to the network; its memory is reused.
struct InputBatch {
  std::vector<std::uint8_t> input;
  std::vector<ImageInfo> images;
  double seconds = 0;        // spent on it so far
  std::exception_ptr error;  // set if an image could not be read
};

// The same batch behind the network.
struct OutputBatch {
  std::vector<ImageInfo> images;
  std::vector<Predictions> predictions;
  std::vector<RawMaps> maps;  // empty ones unless raw maps are written
  double seconds = 0;
};

class Pipeline {
 public:
  Pipeline(const Args& args, const ModelDescription& model, Engine* engine, ImageSource* source, ResultWriter* writer)
      : args_(args), model_(model), engine_(*engine), source_(*source), writer_(*writer) {
    const auto batch_size = static_cast<std::size_t>(engine_.input().batch);
    batches_ = (source_.size() + batch_size - 1) / batch_size;
    // As many as threads of the network, which has none to do while images are missing.
    const std::size_t threads = std::min(static_cast<std::size_t>(args_.engine_options.threads), kMaxReaders);
    readers_ = source_.allows_parallel_reads() ? std::min(threads, batches_) : 1;
    for (std::size_t slot = 0; slot < readers_ + kBatchesAhead; ++slot) {
      InputBatch batch;
      batch.input.resize(engine_.input().Bytes());
      free_inputs_.Push(std::move(batch));
    }
    for (std::size_t slot = 0; slot < 1 + kBatchesAhead; ++slot) {
      OutputBatch batch;
      batch.predictions.resize(batch_size);
      batch.maps.resize(batch_size);
      free_outputs_.Push(std::move(batch));
    }
  }

  void Run(RunReport* report) {
    const Stopwatch watch;
    std::vector<std::thread> readers;
    std::thread writer;
    Guard([&] {
      while (readers.size() < readers_) readers.push_back(Start([this] { ReadAhead(); }));
      writer = Start([this, report] { WriteBehind(report); });
      RunNetwork(report);
    });
    ready_to_write_.Close();
    if (writer.joinable()) writer.join();
    CloseQueues();
    for (std::thread& reader : readers) reader.join();
    if (error_ != nullptr) std::rethrow_exception(error_);
    report->seconds = watch.Seconds();
  }

 private:
  // Runs the work of one thread. The first failure ends all threads.
  void Guard(const std::function<void()>& work) {
    try {
      work();
    } catch (...) {
      {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (error_ == nullptr) error_ = std::current_exception();
      }
      CloseQueues();
    }
  }

  void CloseQueues() {
    free_inputs_.Close();
    ready_to_run_.Close();
    free_outputs_.Close();
    ready_to_write_.Close();
  }

  std::thread Start(const std::function<void()>& work) {
    try {
      return std::thread([this, work] { Guard(work); });
    } catch (const std::system_error& error) {
      throw UserError(std::string("no thread can be started (") + error.what() +
                      "): raise the limit of processes (ulimit -u), then run again");
    }
  }

  // The work of each reader. It takes the memory first and then the next batch, so that the earliest batch never waits
  // for memory that later ones have.
  void ReadAhead() {
    while (std::optional<InputBatch> batch = free_inputs_.Pop()) {
      const std::size_t number = next_batch_++;
      if (number >= batches_) return;
      try {
        ReadBatch(number, &*batch);
      } catch (...) {
        // Its turn comes after that of the images before, so that always the first bad image is reported.
        batch->error = std::current_exception();
      }
      if (!ready_to_run_.Push(number, std::move(*batch))) return;
    }
  }

  void ReadBatch(std::size_t number, InputBatch* batch) {
    const InputSpec& spec = engine_.input();
    const auto batch_size = static_cast<std::size_t>(spec.batch);
    const Stopwatch watch;
    batch->images.clear();
    const std::size_t first = number * batch_size;
    const std::size_t last = std::min(first + batch_size, source_.size());
    for (std::size_t index = first; index < last; ++index) {
      batch->images.push_back(source_.Read(index, spec, batch->input.data() + (index - first) * spec.ImageBytes()));
    }
    // The last batch may be short; its unused places must not hold images of an earlier one.
    const std::size_t used = (last - first) * spec.ImageBytes();
    std::memset(batch->input.data() + used, 0, batch->input.size() - used);
    batch->seconds = watch.Seconds();
  }

  void RunNetwork(RunReport* report) {
    for (std::size_t number = 0; number < batches_; ++number) {
      std::optional<InputBatch> input = ready_to_run_.Pop();
      if (!input) return;
      if (input->error != nullptr) std::rethrow_exception(input->error);
      std::optional<OutputBatch> output = free_outputs_.Pop();
      if (!output) return;
      const Stopwatch watch;
      const std::vector<OutputView> views = engine_.Run(input->input.data());
      report->network.Add(watch.Seconds());
      output->images.swap(input->images);
      for (std::size_t position = 0; position < output->images.size(); ++position) {
        TakeResults(views, position, &*output);
      }
      output->seconds = input->seconds + watch.Seconds();
      free_inputs_.Push(std::move(*input));
      if (!ready_to_write_.Push(std::move(*output))) return;
    }
  }

  // Copies what is needed of the outputs of one image, because the engine writes the next ones to the same memory.
  void TakeResults(const std::vector<OutputView>& views, std::size_t position, OutputBatch* output) const {
    const RawMapViews maps =
        FindRawMaps(views, args_.engine_options.model_path, model_, engine_.input().batch, position);
    SelectPredictions(maps, model_, args_.postprocess.score_threshold, &output->predictions[position]);
    if (args_.writes_raw) CopyRawMaps(maps, model_, &output->maps[position]);
  }

  void WriteBehind(RunReport* report) {
    Progress progress(source_.size());
    std::size_t done = 0;
    while (std::optional<OutputBatch> batch = ready_to_write_.Pop()) {
      const Stopwatch watch;
      for (std::size_t position = 0; position < batch->images.size(); ++position) {
        const ImageInfo& image = batch->images[position];
        writer_.Write(image, batch->maps[position], DetectIn(image, batch->predictions[position]));
      }
      report->whole.Add(batch->seconds + watch.Seconds());
      done += batch->images.size();
      progress.Update(done);
      free_outputs_.Push(std::move(*batch));
    }
    report->images = static_cast<std::int64_t>(done);
  }

  std::vector<Detection> DetectIn(const ImageInfo& image, const Predictions& predictions) const {
    try {
      return Detect(predictions, model_, image.placement, args_.postprocess);
    } catch (const UserError& error) {
      throw UserError("image " + image.name + ": " + error.what() +
                      "; train, export or quantize the model again, with values that stay finite");
    }
  }

  const Args& args_;
  const ModelDescription& model_;
  Engine& engine_;
  ImageSource& source_;
  ResultWriter& writer_;
  std::size_t batches_ = 0;
  std::size_t readers_ = 1;
  std::atomic<std::size_t> next_batch_{0};
  // The number of batches is what bounds the memory.
  Queue<InputBatch> free_inputs_;
  OrderedQueue<InputBatch> ready_to_run_;
  Queue<OutputBatch> free_outputs_;
  Queue<OutputBatch> ready_to_write_;
  std::mutex mutex_;
  std::exception_ptr error_;
};

}  // namespace

void RunPipeline(const Args& args) {
  const std::string& model_path = args.engine_options.model_path;
  RequireRegularFile("model", model_path, "check --model");
  const ModelDescription model = ReadModelDescription(model_path);
  const std::unique_ptr<ImageSource> source = OpenSource(args.input, args.annotations, model);
  RunReport report;
  // Now, because the file may be gone at the end.
  report.model_bytes = std::filesystem::file_size(model_path);
  const Stopwatch load_watch;
  const std::unique_ptr<Engine> engine = LoadEngine(args.engine, args.engine_options);
  report.load_seconds = load_watch.Seconds();
  source->UseDeviceOf(engine.get());
  const InputSpec& spec = engine->input();
  if (spec.size != model.input_size) {
    throw UserError("model " + model_path + " expects " + ToString(spec.size) + " pixels but its description says " +
                    ToString(model.input_size) + ": export the model again");
  }
  ResultWriter writer(args.output, args.writes_raw, model.category_ids, *source);
  const std::vector<std::uint8_t> zeros(spec.Bytes());
  for (int run = 0; run < args.warmup; ++run) engine->Run(zeros.data());
  Pipeline(args, model, engine.get(), source.get(), &writer).Run(&report);
  engine->Close();

  report.engine = args.engine;
  report.device = args.engine_options.device;
  report.model = model_path;
  report.precision = args.engine_options.precision;
  report.threads = args.engine_options.threads;
  report.batch = spec.batch;
  writer.Finish(&report);
  std::fputs(BenchmarkText(report).c_str(), stdout);
}

}  // namespace native310
