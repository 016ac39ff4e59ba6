// The output folder: raw maps, detections and benchmark.json (format in native310/README.md).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "benchmark_stats.h"
#include "coco_id.h"
#include "image_source.h"
#include "network_io.h"
#include "output_file.h"
#include "output_folder.h"
#include "postprocess.h"

namespace native310 {

class ResultWriter {
 public:
  // Creates and locks the folder, checks the names of the images and removes the results of an earlier run. All
  // functions here throw UserError if something cannot be written.
  ResultWriter(const std::string& folder, bool writes_raw, std::vector<CocoId> category_ids, const ImageSource& source);

  void Write(const ImageInfo& image, const RawMaps& maps, const std::vector<Detection>& detections);
  // Completes detections.json, adds its number of detections to the report and writes that as benchmark.json.
  void Finish(RunReport* report);

 private:
  OutputFolder folder_;
  bool writes_raw_;
  std::vector<CocoId> category_ids_;
  std::unique_ptr<OutputFile> json_;
  std::int64_t detections_ = 0;
};

// Returns a COCO result as JSON: bbox in xywh, rounded to 1/100 pixel, and the score, rounded to 5 decimals, as in
// workflow/lib/yolov3/evaluation/coco_results.py.
std::string CocoResult(const CocoId& image_id, const CocoId& category_id, const Detection& detection);

}  // namespace native310
