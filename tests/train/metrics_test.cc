#include "heed/train/metrics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "heed/base/crc32c.h"
#include "heed/base/file.h"
#include "heed/train/tensorboard.h"
#include "tests/expect_error.h"
#include "tests/support.h"

namespace heed {
namespace {

namespace fs = std::filesystem;
using testing::TemporaryFolder;

MetricsWriter::Options options(int64_t resume_step = 0) {
  return {.columns = {"loss", "validation_loss"}, .resume_step = resume_step};
}

TEST(Metrics, AreLinesOfJsonAndOfATable) {
  const TemporaryFolder folder;
  MetricsWriter writer(folder.path(), options());
  writer.write(10, {{"loss", 2.5}});
  writer.write(20, {{"loss", 0.1}, {"validation_loss", NAN}});
  writer.sync();
  EXPECT_EQ(read_file(folder / "metrics.jsonl"),
            "{\"step\":10,\"loss\":2.5}\n{\"step\":20,\"loss\":0.1,\"validation_loss\":null}\n");
  EXPECT_EQ(read_file(folder / "metrics.csv"), "step,loss,validation_loss\n10,2.5,\n20,0.1,\n");
}

TEST(Metrics, AResumedRunForgetsLaterStepsAndATornLine) {
  const TemporaryFolder folder;
  {
    MetricsWriter writer(folder.path(), options());
    for (const int64_t step : {10, 20, 30}) {
      writer.write(step, {{"loss", static_cast<double>(step)}});
    }
  }
  std::ofstream(folder / "metrics.jsonl", std::ios::app) << "{\"step\":40,\"lo";
  MetricsWriter(folder.path(), options(30)).write(40, {{"loss", 4}});
  EXPECT_EQ(read_file(folder / "metrics.csv"),
            "step,loss,validation_loss\n10,10.0,\n20,20.0,\n30,30.0,\n40,4.0,\n");
  MetricsWriter(folder.path(), options(20)).write(21, {{"loss", 5}});
  EXPECT_EQ(
      read_file(folder / "metrics.jsonl"),
      "{\"step\":10,\"loss\":10.0}\n{\"step\":20,\"loss\":20.0}\n{\"step\":21,\"loss\":5.0}\n");
  MetricsWriter(folder.path(), options()).sync();
  EXPECT_EQ(read_file(folder / "metrics.jsonl"), "");
  EXPECT_EQ(read_file(folder / "metrics.csv"), "step,loss,validation_loss\n");
}

TEST(Metrics, RefuseANameWithoutAColumn) {
  const TemporaryFolder folder;
  MetricsWriter writer(folder.path(), options());
  expect_error(ErrorCode::invalid_argument, {"no column 'speed'", "loss, validation_loss"}, [&] {
    writer.write(1, {{"speed", 1}});
  });
  EXPECT_EQ(read_file(folder / "metrics.jsonl"), "");
  expect_error(ErrorCode::not_found, {"metrics.jsonl"},
               [&] { MetricsWriter(folder / "nowhere", options()); });
}

TEST(Metrics, EventFilesAreOneARun) {
  const TemporaryFolder folder;
  MetricsWriter::Options with_events = options(5);
  with_events.tensorboard = true;
  MetricsWriter(folder.path(), with_events).write(6, {{"loss", 1}});
  int found = 0;
  for (const auto& entry : fs::directory_iterator(folder.path())) {
    if (!entry.path().filename().string().starts_with("events.out.tfevents.")) continue;
    ++found;
    EXPECT_EQ(entry.file_size(), internal::event_file_start(1).size() +
                                     internal::event_restart(1, 6).size() +
                                     internal::event_of(1, 6, {{"loss", 1}}).size());
  }
  EXPECT_EQ(found, 1);
}

// What TensorBoard's own writer makes of the same event.
TEST(TensorBoard, AnEventIsAMaskedRecordOfItsMessage) {
  const std::string record = internal::event_of(2.0, 300, {{"loss", 0.5}});
  const std::string event(
      "\x09\0\0\0\0\0\0\0\x40"               // wall_time 2.0
      "\x10\xac\x02"                         // step 300
      "\x2a\x0d"                             // summary
      "\x0a\x0b\x0a\x04loss\x15\0\0\0\x3f",  // value { tag "loss", simple_value 0.5 }
      27);
  EXPECT_EQ(record.substr(12, record.size() - 16), event);
  EXPECT_EQ(record.substr(0, 8), std::string("\x1b\0\0\0\0\0\0\0", 8));
  const uint32_t crc = crc32c(event);
  const uint32_t masked = (crc >> 15 | crc << 17) + 0xa282ead8U;
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(static_cast<unsigned char>(record[record.size() - 4 + static_cast<size_t>(i)]),
              masked >> (8 * i) & 0xffU);
  }
}

}  // namespace
}  // namespace heed
