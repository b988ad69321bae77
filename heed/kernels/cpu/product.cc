#include "heed/kernels/product.h"

#include <algorithm>
#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "heed/kernels/cpu/product.cc"
#include "heed/kernels/cpu/targets.h"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
// after foreach_target.h
#include "heed/kernels/cpu/convert-inl.h"
#include "heed/kernels/cpu/linear_tile-inl.h"
#include "heed/kernels/cpu/transpose-inl.h"

HWY_BEFORE_NAMESPACE();
namespace heed::kernels::HWY_NAMESPACE {
namespace {

using namespace product_tile;
static_assert(kProductDepth == kMaxTileDepth);

/// Where a task's packed parts lie in its scratch.
struct Scratch {
  float* bias;   // [kPanel], zeros past the columns
  float* panel;  // [kProductDepth][kPanel] of b
  float* rows;   // of a: tiles, each [depth][rows of the tile], or [rows][depth]
  explicit Scratch(float* all)
      : bias(all), panel(all + kPanel), rows(panel + kProductDepth * kPanel) {}
};

/// Inputs [begin, begin + count) of the depth.
struct Block {
  int64_t begin;
  int64_t count;
};

/// The rows of tile `tile` of `tiles`: even, so 9 are 4 and 5, not 8 and 1.
HWY_INLINE int64_t first_row(int64_t rows, int64_t tile, int64_t tiles) {
  return rows * tile / tiles;
}

HWY_INLINE void copy_floats(const float* from, int64_t n, float* to) {
  const Floats d;
  for_vectors(n, [&](int64_t i, int64_t lanes)
                     HWY_ATTR { store(d, load(d, from + i, lanes), to + i, lanes); });
}

/// Columns [first, first + columns) of a block of b, kPanel floats a row; those past the columns
/// hold anything.
void pack_panel(const Operand& b, const Block& block, int64_t first, int64_t columns,
                float* HWY_RESTRICT panel) {
  const float* from = b.data + block.begin * b.row + first * b.column;
  if (b.column != 1 && columns > 1) {
    const auto same = [](FloatVector x) HWY_ATTR { return x; };
    tile_from_rows(from, b.column, columns, block.count, same, panel, kPanel);
    return;
  }
  const Floats d;
  for (int64_t k = 0; k < block.count; ++k, from += b.row, panel += kPanel) {
    if (columns == kPanel) {
      HEED_UNROLL
      for (int64_t i = 0; i < kPanel; i += kLanes) hn::Store(hn::LoadU(d, from + i), d, panel + i);
    } else {
      copy_floats(from, columns, panel);
    }
  }
}

/// kTiles whole tiles' rows of a block of a, side by side for each input. Together they read whole
/// cache lines.
template <int64_t kTiles>
HWY_INLINE void pack_tiles(const float* from, int64_t stride, int64_t count,
                           float* HWY_RESTRICT to) {
  const int64_t apart = kTileRows * count;
  for (int64_t k = 0; k < count; ++k, from += stride, to += kTileRows) {
    for (int64_t tile = 0; tile < kTiles; ++tile) {
      std::memcpy(to + tile * apart, from + tile * kTileRows, kTileRows * sizeof(float));
    }
  }
}

/// All rows of a block of a, in tiles: tile after tile, each [inputs][rows of the tile].
void pack_rows(const ProductTask& task, const Block& block, int64_t tiles, float* HWY_RESTRICT to) {
  constexpr int64_t kTogether = 4;
  const int64_t stride = task.a.column;
  const float* from = task.a.data + block.begin * stride;
  int64_t tile = 0;
  for (int64_t rows = 0; tile < tiles; tile += rows == kTogether * kTileRows ? kTogether : 1) {
    const int64_t row = first_row(task.rows, tile, tiles);
    rows = first_row(task.rows, std::min(tile + kTogether, tiles), tiles) - row;
    if (rows == kTogether * kTileRows) {
      pack_tiles<kTogether>(from + row, stride, block.count, to + row * block.count);
      continue;
    }
    const int64_t alone = first_row(task.rows, tile + 1, tiles) - row;
    for (int64_t k = 0; k < block.count; ++k) {
      std::copy_n(from + row + k * stride, alone, to + row * block.count + k * alone);
    }
  }
}

void round_all(float* x, int64_t n) {
  map(x, x, n, [](FloatVector v) HWY_ATTR { return round_to_bf16(v); });
}

/// The rows that tiles read: packed in tiles, or as they lie.
struct Rows {
  const float* data;
  int64_t stride;
};

/// A block of a, packed where its rows lie side by side or have to be rounded.
Rows read_rows(const ProductTask& task, const Block& block, bool down, int64_t tiles,
               float* packed) {
  const Rows rows{task.a.data + block.begin * task.a.column, task.a.row};
  const bool rounded = task.precision == Precision::bf16;
  if (!down && !rounded) return rows;
  if (down) {
    pack_rows(task, block, tiles, packed);
  } else {
    for (int64_t row = 0; row < task.rows; ++row) {
      copy_floats(rows.data + row * rows.stride, block.count, packed + row * block.count);
    }
  }
  if (rounded) round_all(packed, task.rows * block.count);
  return {packed, block.count};
}

/// Has the first kStep tiles ask for the part of b that is packed next: at each step three lines of
/// one of its rows or, where its columns are contiguous, one line of three columns.
class Ahead {
 public:
  Ahead(const ProductTask& task, Block block, int64_t first, Tile& tile)
      : tile_(tile), across_(task.b.column != 1), steps_((block.count + kStep - 1) / kStep) {
    first += kPanel;
    if (first >= task.columns) {
      first = 0;
      block.begin += block.count;
    }
    if (block.begin >= task.depth) return;
    tile.ahead = task.b.data + block.begin * task.b.row + first * task.b.column;
    tile.lines = kPanel / kLine;
    tile.line_stride = across_ ? task.b.column : kLine;
    tile.step_stride = across_ ? kLine : task.b.row;
  }
  /// After each tile.
  void go_on() {
    if (++tiles_ >= kStep) tile_.lines = 0;
    tile_.ahead += across_ ? tile_.lines * tile_.line_stride : steps_ * tile_.step_stride;
  }

 private:
  Tile& tile_;
  bool across_;
  int64_t steps_;
  int64_t tiles_ = 0;
};

/// One panel times all rows of the task; what is yet to be packed of it and of them, in passing.
template <bool kDown>
void multiply_panel(const ProductTask& task, const Block& block, const Rows& from, int64_t first,
                    int64_t tiles, Packing packing, const Scratch& scratch) {
  const int64_t columns = std::min(kPanel, task.columns - first);
  const bool last = block.begin + block.count == task.depth;
  Tile tile{.inputs = block.count,
            .y_stride = task.c_stride,
            .first = true,
            .adds = task.accumulate || block.begin > 0,
            .bias = nullptr,
            .ahead = nullptr,
            .lines = 0,
            .line_stride = 0,
            .step_stride = 0};
  Ahead ahead(task, block, first, tile);
  for (int64_t down = 0; down < tiles; ++down) {
    const int64_t row = first_row(task.rows, down, tiles);
    const int64_t rows = first_row(task.rows, down + 1, tiles) - row;
    float* c = task.c + row * task.c_stride + first;
    for (int64_t column = 0; column < columns; column += kTileColumns) {
      tile.x = from.data + row * from.stride;
      tile.x_stride = kDown ? rows : from.stride;
      tile.weights = scratch.panel + column;
      tile.y = c + column;
      tile.columns = columns - column;
      if (last && task.bias != nullptr) tile.bias = scratch.bias + column;
      const Packing now{.panel = packing.panel && down == 0, .rows = packing.rows && column == 0};
      if (now.rows) {
        tile.x = task.a.data + block.begin * task.a.column + row;
        tile.x_stride = task.a.column;
        tile.rows = scratch.rows + row * block.count;
      }
      if (now.panel) {
        tile.weights = task.b.data + block.begin * task.b.row + first + column;
        tile.weights_stride = task.b.row;
        tile.panel = scratch.panel + column;
      }
      if (now.rows || now.panel) {
        multiply_and_pack<kDown>(tile, now);
      } else {
        multiply_rows<kDown>(tile, rows);
      }
      ahead.go_on();
    }
    if (!last || task.activated == nullptr) continue;
    float* activated = task.activated + row * task.c_stride + first;
    activate_rows(task.activation, c, activated, task.c_stride, rows, columns);
  }
}

/// column_sums of kVectors of columns, or of the first `lanes` < kLanes of one.
template <int kVectors>
HWY_INLINE void sum_columns(const float* x, int64_t stride, int64_t rows, int64_t lanes,
                            bool accumulate, float* sums) {
  constexpr int64_t kRows = 64;
  const Floats d;
  FloatVector all[kVectors];
  HEED_UNROLL
  for (int v = 0; v < kVectors; ++v) {
    all[v] = accumulate ? load(d, sums + v * kLanes, lanes) : hn::Zero(d);
  }
  for (int64_t begin = 0; begin < rows; begin += kRows) {
    FloatVector part[kVectors];
    HEED_UNROLL
    for (int v = 0; v < kVectors; ++v) part[v] = hn::Zero(d);
    for (int64_t row = begin; row < std::min(begin + kRows, rows); ++row) {
      HEED_UNROLL
      for (int v = 0; v < kVectors; ++v) {
        part[v] = hn::Add(part[v], load(d, x + row * stride + v * kLanes, lanes));
      }
    }
    HEED_UNROLL
    for (int v = 0; v < kVectors; ++v) all[v] = hn::Add(all[v], part[v]);
  }
  HEED_UNROLL
  for (int v = 0; v < kVectors; ++v) store(d, all[v], sums + v * kLanes, lanes);
}

}  // namespace

void product(const ProductTask& task) {
  const Scratch scratch(task.scratch);
  const bool down = task.a.column != 1 && task.depth > 1;
  const int64_t tiles = (task.rows + kTileRows - 1) / kTileRows;
  const int64_t cuts = std::max<int64_t>(1, (task.depth + kProductDepth - 1) / kProductDepth);
  const int64_t steps = (task.depth + cuts * kStep - 1) / (cuts * kStep);
  const bool whole = task.precision == Precision::f32 && task.rows % kTileRows == 0;
  Block block{0, 0};
  do {  // without a depth there is still one empty block, which writes the bias
    block.count = std::min(steps * kStep, task.depth - block.begin);
    const bool rows_in_passing = whole && down && task.columns >= kPanel;
    const Rows rows = rows_in_passing ? Rows{scratch.rows, block.count}
                                      : read_rows(task, block, down, tiles, scratch.rows);
    for (int64_t first = 0; first < task.columns; first += kPanel) {
      const int64_t columns = std::min(kPanel, task.columns - first);
      const Packing packing{.panel = whole && columns == kPanel && task.b.column == 1,
                            .rows = rows_in_passing && first == 0};
      if (!packing.panel) {
        pack_panel(task.b, block, first, columns, scratch.panel);
        if (task.precision == Precision::bf16) round_all(scratch.panel, block.count * kPanel);
      }
      if (task.bias != nullptr) copy_floats(task.bias + first, columns, scratch.bias);
      if (down) {
        multiply_panel<true>(task, block, rows, first, tiles, packing, scratch);
      } else {
        multiply_panel<false>(task, block, rows, first, tiles, packing, scratch);
      }
    }
    block.begin += block.count;
  } while (block.begin < task.depth);
}

void column_sums(const float* x, int64_t stride, int64_t rows, int64_t columns, bool accumulate,
                 float* sums) {
  constexpr int64_t kTogether = 4 * kLanes;  // a sum waits for itself, but not for its neighbours
  int64_t column = 0;
  for (; column + kTogether <= columns; column += kTogether) {
    sum_columns<4>(x + column, stride, rows, kLanes, accumulate, sums + column);
  }
  for (; column < columns; column += kLanes) {
    sum_columns<1>(x + column, stride, rows, std::min(kLanes, columns - column), accumulate,
                   sums + column);
  }
}

}  // namespace heed::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace heed::kernels {

int64_t product_scratch(int64_t rows) {
  constexpr int64_t kPanel = PackedMatrix::kPanel;
  return kPanel + kProductDepth * (kPanel + rows);
}

void product(const ProductTask& task) {
  if (active_isa() == Isa::reference) return ref::product(task);
  HEED_DISPATCH(product)(task);
}

void column_sums(const float* x, int64_t stride, int64_t rows, int64_t columns, bool accumulate,
                 float* sums) {
  if (active_isa() == Isa::reference) {
    return ref::column_sums(x, stride, rows, columns, accumulate, sums);
  }
  HEED_DISPATCH(column_sums)(x, stride, rows, columns, accumulate, sums);
}

}  // namespace heed::kernels
#endif
