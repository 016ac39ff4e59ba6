#include "pipeline.h"

#include <algorithm>
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
#include "bounded_queue.h"
#include "engine.h"
#include "image_source.h"
#include "model_description.h"
#include "progress.h"
#include "raw_maps.h"
#include "result_writer.h"
#include "user_error.h"

namespace native310 {
namespace {

// Batches that may wait before and after the network.
constexpr std::size_t kBatchesAhead = 2;

// A batch that passes through the three threads; its memory is reused.
struct Batch {
  std::vector<std::uint8_t> input;
  std::vector<ImageInfo> images;
  std::vector<RawMaps> maps;
  double seconds = 0;  // spent on it so far
};

class Pipeline {
 public:
  Pipeline(const Args& args, const ModelDescription& model, Engine* engine, ImageSource* source, ResultWriter* writer)
      : args_(args), model_(model), engine_(*engine), source_(*source), writer_(*writer) {
    for (std::size_t slot = 0; slot < free_capacity; ++slot) {
      Batch batch;
      batch.input.resize(engine_.input().Bytes());
      batch.maps.resize(static_cast<std::size_t>(engine_.input().batch));
      free_.Push(std::move(batch));
    }
  }

  void Run(RunReport* report) {
    const Stopwatch watch;
    std::thread reader;
    std::thread writer;
    Guard([&] {
      reader = Start([this] { ReadAhead(); });
      writer = Start([this, report] { WriteBehind(report); });
      RunNetwork(report);
    });
    ready_to_write_.Close();
    if (writer.joinable()) writer.join();
    free_.Close();
    ready_to_run_.Close();
    if (reader.joinable()) reader.join();
    if (error_ != nullptr) std::rethrow_exception(error_);
    report->seconds = watch.Seconds();
  }

 private:
  static constexpr std::size_t free_capacity = 2 * kBatchesAhead + 2;

  // Runs the work of one thread. The first failure ends all threads.
  void Guard(const std::function<void()>& work) {
    try {
      work();
    } catch (...) {
      {
        const std::lock_guard<std::mutex> lock(mutex_);
        if (error_ == nullptr) error_ = std::current_exception();
      }
      free_.Close();
      ready_to_run_.Close();
      ready_to_write_.Close();
    }
  }

  std::thread Start(const std::function<void()>& work) {
    try {
      return std::thread([this, work] { Guard(work); });
    } catch (const std::system_error& error) {
      throw UserError(std::string("no thread can be started (") + error.what() +
                      "): raise the limit of processes (ulimit -u), then run again");
    }
  }

  void ReadAhead() {
    const InputSpec& spec = engine_.input();
    const auto batch_size = static_cast<std::size_t>(spec.batch);
    for (std::size_t first = 0; first < source_.size(); first += batch_size) {
      std::optional<Batch> batch = free_.Pop();
      if (!batch) return;
      const Stopwatch watch;
      batch->images.clear();
      const std::size_t last = std::min(first + batch_size, source_.size());
      for (std::size_t index = first; index < last; ++index) {
        batch->images.push_back(source_.Read(index, spec, batch->input.data() + (index - first) * spec.ImageBytes()));
      }
      // The last batch may be short; its unused places must not hold images of an earlier one.
      const std::size_t used = (last - first) * spec.ImageBytes();
      std::memset(batch->input.data() + used, 0, batch->input.size() - used);
      batch->seconds = watch.Seconds();
      if (!ready_to_run_.Push(std::move(*batch))) return;
    }
    ready_to_run_.Close();
  }

  void RunNetwork(RunReport* report) {
    while (std::optional<Batch> batch = ready_to_run_.Pop()) {
      const Stopwatch watch;
      const std::vector<OutputView> outputs = engine_.Run(batch->input.data());
      report->network.Add(watch.Seconds());
      for (std::size_t position = 0; position < batch->images.size(); ++position) {
        CopyRawMaps(outputs, args_.engine_options.model_path, model_, engine_.input().batch, position,
                    &batch->maps[position]);
      }
      batch->seconds += watch.Seconds();
      if (!ready_to_write_.Push(std::move(*batch))) return;
    }
  }

  void WriteBehind(RunReport* report) {
    Progress progress(source_.size());
    std::size_t done = 0;
    while (std::optional<Batch> batch = ready_to_write_.Pop()) {
      const Stopwatch watch;
      for (std::size_t position = 0; position < batch->images.size(); ++position) {
        const ImageInfo& image = batch->images[position];
        const RawMaps& maps = batch->maps[position];
        writer_.Write(image, maps, DetectIn(image, maps));
      }
      report->whole.Add(batch->seconds + watch.Seconds());
      done += batch->images.size();
      progress.Update(done);
      free_.Push(std::move(*batch));
    }
    report->images = static_cast<std::int64_t>(done);
  }

  std::vector<Detection> DetectIn(const ImageInfo& image, const RawMaps& maps) const {
    try {
      return Detect(maps, model_, image.placement, args_.postprocess);
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
  BoundedQueue<Batch> free_{free_capacity};
  BoundedQueue<Batch> ready_to_run_{kBatchesAhead};
  BoundedQueue<Batch> ready_to_write_{kBatchesAhead};
  std::mutex mutex_;
  std::exception_ptr error_;
};

}  // namespace

void RunPipeline(const Args& args) {
  const std::string& model_path = args.engine_options.model_path;
  if (!std::filesystem::exists(model_path)) throw UserError("model " + model_path + " does not exist: check --model");
  const ModelDescription model = ReadModelDescription(model_path);
  const std::unique_ptr<ImageSource> source = OpenSource(args.input, args.annotations, model);
  RunReport report;
  const Stopwatch load_watch;
  const std::unique_ptr<Engine> engine = LoadEngine(args.engine, args.engine_options);
  report.load_seconds = load_watch.Seconds();
  source->UseDeviceOf(engine.get());
  const InputSpec& spec = engine->input();
  if (spec.size != model.input_size) {
    throw UserError("model " + model_path + " expects " + ToString(spec.size) + " pixels but its description says " +
                    ToString(model.input_size) + ": export the model again");
  }
  ResultWriter writer(args.output, args.writes_raw, model.category_ids);
  const std::vector<std::uint8_t> zeros(spec.Bytes());
  for (int run = 0; run < args.warmup; ++run) engine->Run(zeros.data());
  Pipeline(args, model, engine.get(), source.get(), &writer).Run(&report);
  engine->Close();

  report.engine = args.engine;
  report.device = args.engine_options.device;
  report.model = model_path;
  report.model_bytes = std::filesystem::file_size(model_path);
  report.precision = args.engine_options.precision;
  report.threads = args.engine_options.threads;
  report.batch = spec.batch;
  writer.Finish(&report);
  std::fputs(BenchmarkText(report).c_str(), stdout);
}

}  // namespace native310
