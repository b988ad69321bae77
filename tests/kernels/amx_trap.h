#pragma once

#if defined(__x86_64__) && defined(__linux__)

#include <signal.h>
#include <ucontext.h>

#include <cfloat>
#include <cmath>
#include <cstdint>
#include <cstring>

// The tile instructions themselves on a machine without them: each is an illegal instruction there,
// which this takes apart, carries out and steps over. So that what runs on machines with AMX, down
// to its operands, is what the tests ran. Written from Intel's manual alone; one thread.

namespace heed::testing {

class AmxTrap {
 public:
  AmxTrap() {
    struct sigaction action = {};
    action.sa_sigaction = &on_illegal;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGILL, &action, &before_);
  }
  ~AmxTrap() { sigaction(SIGILL, &before_, nullptr); }
  AmxTrap(const AmxTrap&) = delete;
  AmxTrap& operator=(const AmxTrap&) = delete;

  /// Instructions carried out so far, and whether they were used as they must be.
  int64_t count() const { return machine().count; }
  bool configured_only_while_in_use() const {
    return !machine().configured && !machine().used_unconfigured;
  }

 private:
  struct Machine {
    uint8_t tiles[8][16][64] = {};
    bool configured = false;
    bool used_unconfigured = false;
    int64_t count = 0;
  };
  static Machine& machine() {
    static Machine instance;
    return instance;
  }

  /// A VEX-coded instruction of the map 0F 38, as all of AMX is.
  struct Instruction {
    const uint8_t* code;
    greg_t* registers;
    int64_t length = 5;  // to the end of ModRM

    bool fits() const { return code[0] == 0xC4 && (code[1] & 0x1F) == 2; }
    int prefix() const { return code[2] & 3; }  // 0 none, 1 66, 2 F3, 3 F2
    int opcode() const { return code[3]; }
    int mode() const { return code[4] >> 6; }
    int reg() const { return code[4] >> 3 & 7; }
    int rm() const { return code[4] & 7; }
    int vvvv() const { return ~code[2] >> 3 & 15; }

    int64_t value(int number) const {
      constexpr int kOrder[] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
                                REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                REG_R12, REG_R13, REG_R14, REG_R15};
      return registers[kOrder[number]];
    }
    /// The memory operand's address; *index what a SIB byte's index adds, which is a tile's stride.
    uint8_t* address(int64_t* index) {
      const int extend_index = (code[1] & 0x40) == 0 ? 8 : 0;
      const int extend_base = (code[1] & 0x20) == 0 ? 8 : 0;
      int64_t at = 0;
      int base = rm();
      *index = 0;
      if (rm() == 4) {
        const uint8_t sib = code[length++];
        base = sib & 7;
        const int number = (sib >> 3 & 7) + extend_index;
        if (number != 4) *index = value(number) << (sib >> 6);
      }
      const bool wide = mode() == 2 || (mode() == 0 && base == 5);
      if (mode() != 0 || base != 5) at = value(base + extend_base);
      if (wide) {
        int32_t displacement = 0;
        std::memcpy(&displacement, code + length, 4);
        length += 4;
        at += displacement;
      } else if (mode() == 1) {
        at += static_cast<int8_t>(code[length++]);
      }
      if (mode() == 0 && rm() == 5) at += reinterpret_cast<int64_t>(code) + length;  // of the next
      return reinterpret_cast<uint8_t*>(at);  // NOLINT(performance-no-int-to-ptr)
    }
  };

  static void on_illegal(int, siginfo_t*, void* context) {
    greg_t* registers = static_cast<ucontext_t*>(context)->uc_mcontext.gregs;
    Instruction instruction{
        reinterpret_cast<const uint8_t*>(registers[REG_RIP]),  // NOLINT(performance-no-int-to-ptr)
        registers};
    if (!instruction.fits() || !carry_out(instruction)) {
      signal(SIGILL, SIG_DFL);  // it is illegal: end here
      return;
    }
    ++machine().count;
    registers[REG_RIP] += instruction.length;
  }

  static bool carry_out(Instruction& x) {
    Machine& m = machine();
    const bool memory = x.mode() != 3;
    int64_t stride = 0;
    if (x.opcode() == 0x49 && x.prefix() == 0) return memory ? configure(x) : release();
    if (!m.configured) m.used_unconfigured = true;
    if (x.opcode() == 0x49 && x.prefix() == 3 && !memory) {  // tilezero
      std::memset(m.tiles[x.reg()], 0, sizeof(m.tiles[0]));
    } else if (x.opcode() == 0x4B && memory && x.rm() == 4) {  // tileloadd, tilestored
      uint8_t* rows = x.address(&stride);
      for (auto& row : m.tiles[x.reg()]) {
        if (x.prefix() == 3) std::memcpy(row, rows, sizeof(row));
        if (x.prefix() == 2) std::memcpy(rows, row, sizeof(row));
        rows += stride;
      }
    } else if (x.opcode() == 0x5C && x.prefix() == 2 && !memory) {  // tdpbf16ps
      multiply(m.tiles[x.reg()], m.tiles[x.rm()], m.tiles[x.vvvv()]);
    } else {
      return false;
    }
    return true;
  }

  static bool configure(Instruction& x) {
    int64_t index = 0;
    const uint8_t* configuration = x.address(&index);
    bool full = configuration[0] == 1;  // the palette
    for (int tile = 0; tile < 8; ++tile) {
      full = full && configuration[16 + 2 * tile] == 64 && configuration[17 + 2 * tile] == 0 &&
             configuration[48 + tile] == 16;
    }
    machine().configured = full;
    return full;
  }
  static bool release() {
    machine().configured = false;
    return true;
  }

  static float flush(float x) { return std::fabs(x) < FLT_MIN ? std::copysign(0.0F, x) : x; }
  static float half(const uint8_t* at) {
    const uint8_t bytes[] = {0, 0, at[0], at[1]};
    float x = 0;
    std::memcpy(&x, bytes, 4);
    return flush(x);
  }
  static void multiply(uint8_t (&sums)[16][64], const uint8_t (&a)[16][64],
                       const uint8_t (&b)[16][64]) {
    for (int m = 0; m < 16; ++m) {
      for (int n = 0; n < 16; ++n) {
        float first = 0, second = 0, sum = 0;
        for (int k = 0; k < 16; ++k) {
          first = flush(std::fma(half(&a[m][4 * k]), half(&b[k][4 * n]), first));
          second = flush(std::fma(half(&a[m][4 * k + 2]), half(&b[k][4 * n + 2]), second));
        }
        std::memcpy(&sum, &sums[m][4 * n], 4);
        sum = flush(flush(sum) + flush(first + second));
        std::memcpy(&sums[m][4 * n], &sum, 4);
      }
    }
  }

  struct sigaction before_ = {};
};

}  // namespace heed::testing

#endif
