#include "heed/train/tensorboard.h"

#include <bit>

#include "heed/base/crc32c.h"

namespace heed::internal {
namespace {

/// Protocol buffers' wire format, as much of it as events need.
class Message {
 public:
  Message& number(uint64_t field, int64_t value) {
    tag(field, 0);
    varint(static_cast<uint64_t>(value));
    return *this;
  }
  Message& real(uint64_t field, double value) {
    tag(field, 1);
    fixed(std::bit_cast<uint64_t>(value), 8);
    return *this;
  }
  Message& real32(uint64_t field, float value) {
    tag(field, 5);
    fixed(std::bit_cast<uint32_t>(value), 4);
    return *this;
  }
  Message& text(uint64_t field, std::string_view value) {
    tag(field, 2);
    varint(value.size());
    bytes_ += value;
    return *this;
  }
  Message& message(uint64_t field, const Message& value) { return text(field, value.bytes_); }
  Message& fixed(uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) bytes_ += static_cast<char>(value >> (8 * i) & 0xffU);
    return *this;
  }
  const std::string& bytes() const { return bytes_; }

 private:
  void tag(uint64_t field, uint64_t wire_type) { varint(field * 8 + wire_type); }
  void varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_ += static_cast<char>(value | 0x80U);
    bytes_ += static_cast<char>(value);
  }
  std::string bytes_;
};

uint32_t masked_crc(const std::string& bytes) {
  const uint32_t crc = crc32c(bytes);
  return std::rotr(crc, 15) + 0xa282ead8U;
}

std::string record_of(const Message& event) {
  Message length;
  length.fixed(event.bytes().size(), 8);
  Message sum_of_length, sum;
  sum_of_length.fixed(masked_crc(length.bytes()), 4);
  sum.fixed(masked_crc(event.bytes()), 4);
  return length.bytes() + sum_of_length.bytes() + event.bytes() + sum.bytes();
}

// fields of event.proto and summary.proto
constexpr uint64_t kWallTime = 1, kStep = 2, kFileVersion = 3, kSummary = 5, kSessionLog = 7;
constexpr uint64_t kStatus = 1, kStart = 1;            // SessionLog
constexpr uint64_t kValue = 1, kTag = 1, kSimple = 2;  // Summary, Summary.Value

}  // namespace

std::string event_file_start(double time) {
  return record_of(Message().real(kWallTime, time).text(kFileVersion, "brain.Event:2"));
}

std::string event_restart(double time, int64_t step) {
  return record_of(Message()
                       .real(kWallTime, time)
                       .number(kStep, step)
                       .message(kSessionLog, Message().number(kStatus, kStart)));
}

std::string event_of(double time, int64_t step,
                     const std::vector<std::pair<std::string, double>>& metrics) {
  Message summary;
  for (const auto& [name, value] : metrics) {
    summary.message(kValue, Message().text(kTag, name).real32(kSimple, static_cast<float>(value)));
  }
  return record_of(Message().real(kWallTime, time).number(kStep, step).message(kSummary, summary));
}

}  // namespace heed::internal
