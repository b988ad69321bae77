#include "heed/autograd/tape.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "heed/autograd/accumulate.h"
#include "heed/autograd/share.h"
#include "heed/base/error.h"

namespace heed {
namespace {

thread_local int recording_off = 0;
thread_local Taken* taken = nullptr;
std::atomic<uint64_t> recorded{0};  // nodes there ever were

class Node;

/// What an operation took: a node's result, as these views of it.
struct Input {
  std::shared_ptr<Node> node;  // null: needs no gradient
  std::vector<View> views;
};

/// Nodes that have a gradient to hand on, the last recorded first; those recorded before a place
/// are left out, their gradients wait in them.
class NodeQueue {
 public:
  explicit NodeQueue(uint64_t place) : place_(place) {}
  void push(const std::shared_ptr<Node>& node);
  std::shared_ptr<Node> pop();
  bool empty() const { return nodes_.empty(); }

 private:
  uint64_t place_;
  std::map<uint64_t, std::shared_ptr<Node>> nodes_;  // by order
};

/// One recorded result, or a leaf.
class Node : public Trace, public std::enable_shared_from_this<Node> {
 public:
  Node(const Tensor& result, std::vector<Input> inputs, Backward backward,
       std::vector<std::shared_ptr<Trace>> also = {})
      : shape_(result.shape()),
        strides_(dense_strides(result.shape(), result.strides())),
        inputs_(std::move(inputs)),
        also_(std::move(also)),
        backward_(std::move(backward)) {
    order_ = recorded.fetch_add(1, std::memory_order_relaxed);
  }
  ~Node() override;
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  std::shared_ptr<Trace> of(View view) override;
  std::shared_ptr<Trace> of_copy(const Tensor& copy) override;

  /// Every node that its gradient is handed to, as often as it is.
  std::vector<std::shared_ptr<Node>> sources() const;
  /// Every node comes after those it was made from.
  uint64_t order() const { return order_; }
  bool is_leaf() const { return leaf_; }
  void make_leaf() { leaf_ = true; }
  const Tensor& gradient() const { return gradient_; }
  void clear_gradient() { gradient_ = Tensor(); }
  void add(const std::vector<View>& views, const Tensor& gradient);
  /// These views of the gradient, which is made (zeros) or copied first if it is not there or not
  /// the node's alone.
  Tensor open(const std::vector<View>& views);
  /// What these views see of a gradient that is made for them, if there is none and they share it
  /// out; else nothing.
  std::vector<Tensor> share_out(const std::vector<const Input*>& inputs);
  /// Hands the gradient to the inputs and forgets all that was kept for it.
  void run(NodeQueue& queue);

 private:
  Tensor fresh() const { return Tensor::empty({shape_.numel()}).as_strided(shape_, strides_); }
  bool keep(const Tensor& place, const Tensor& gradient);

  Shape shape_;
  Shape strides_;
  std::vector<Input> inputs_;
  std::vector<std::shared_ptr<Trace>> also_;
  Backward backward_;
  Tensor gradient_;
  uint64_t order_ = 0;
  bool leaf_ = false;
};

/// What a view of a node's result carries.
class ViewTrace : public Trace {
 public:
  explicit ViewTrace(Input input) : input_(std::move(input)) {}
  std::shared_ptr<Trace> of(View view) override {
    Input input = input_;
    input.views.push_back(std::move(view));
    return std::make_shared<ViewTrace>(std::move(input));
  }
  std::shared_ptr<Trace> of_copy(const Tensor& copy) override;
  const Input& input() const { return input_; }

 private:
  Input input_;
};

Input input_of(const Tensor& x) {
  const auto& trace = x.trace();
  if (trace == nullptr) return {};
  if (const auto* view = dynamic_cast<const ViewTrace*>(trace.get())) return view->input();
  return {std::static_pointer_cast<Node>(trace), {}};
}

std::shared_ptr<Trace> copy_node(const Tensor& copy, Input from) {
  if (recording_off != 0) {
    if (taken != nullptr) taken->note(from.node);
    return nullptr;
  }
  return std::make_shared<Node>(copy, std::vector<Input>{std::move(from)},
                                [](const Tensor& dy, Gradients& to) { to.add(0, dy); });
}

std::shared_ptr<Trace> ViewTrace::of_copy(const Tensor& copy) { return copy_node(copy, input_); }

std::shared_ptr<Trace> Node::of(View view) {
  return std::make_shared<ViewTrace>(Input{shared_from_this(), {std::move(view)}});
}

std::shared_ptr<Trace> Node::of_copy(const Tensor& copy) {
  return copy_node(copy, {shared_from_this(), {}});
}

/// A long chain goes one node at a time, not by recursion.
Node::~Node() {
  std::vector<Input> going = std::move(inputs_);
  while (!going.empty()) {
    const Input input = std::move(going.back());
    going.pop_back();
    if (input.node == nullptr || input.node.use_count() > 1) continue;
    std::ranges::move(input.node->inputs_, std::back_inserter(going));
    input.node->inputs_.clear();
  }
}

std::vector<std::shared_ptr<Node>> Node::sources() const {
  std::vector<std::shared_ptr<Node>> all;
  for (const Input& input : inputs_) {
    if (input.node != nullptr) all.push_back(input.node);
  }
  for (const auto& trace : also_) all.push_back(std::static_pointer_cast<Node>(trace));
  return all;
}

/// A copy of a tensor laid out alike, or zeros for an undefined one.
void fill(const Tensor& whole, const Tensor& from) {
  const auto bytes = static_cast<size_t>(whole.numel()) * sizeof(float);
  if (from.defined()) {
    std::memcpy(whole.raw_data(), from.raw_data(), bytes);
  } else {
    std::memset(whole.raw_data(), 0, bytes);
  }
}

Tensor viewed(Tensor whole, const std::vector<View>& views) {
  for (const View& view : views) whole = view(whole);
  return whole;
}

/// Takes the gradient as the node's own where it fills it and lies as it would: nothing is copied.
bool Node::keep(const Tensor& place, const Tensor& gradient) {
  if (place.numel() != shape_.numel()) return false;
  for (int dim = 0; dim < place.rank(); ++dim) {
    if (place.size(dim) == 1) continue;
    // stride 0: part of the result, repeated until it counts as many
    if (place.stride(dim) == 0 || place.stride(dim) != gradient.stride(dim)) return false;
  }
  gradient_ = gradient.as_strided(shape_, strides_);
  return true;
}

void Node::add(const std::vector<View>& views, const Tensor& gradient) {
  HEED_ASSERT(gradient.dtype() == DType::f32);
  if (!gradient_.defined() && keep(viewed(fresh(), views), gradient)) return;
  accumulate(open(views), gradient);
}

Tensor Node::open(const std::vector<View>& views) {
  if (!gradient_.defined() || !gradient_.unique()) {
    const Tensor whole = fresh();
    fill(whole, gradient_);
    gradient_ = whole;
  }
  return viewed(gradient_, views);
}

std::vector<Tensor> Node::share_out(const std::vector<const Input*>& inputs) {
  if (gradient_.defined()) return {};
  const Tensor whole = fresh();
  std::vector<Tensor> parts;
  for (const Input* input : inputs) parts.push_back(viewed(whole, input->views));
  if (!shares_out(whole, parts)) return {};
  gradient_ = whole;
  return parts;
}

void NodeQueue::push(const std::shared_ptr<Node>& node) {
  if (!node->is_leaf() && node->order() >= place_) nodes_.emplace(node->order(), node);
}

std::shared_ptr<Node> NodeQueue::pop() {
  const auto last = std::prev(nodes_.end());
  std::shared_ptr<Node> node = std::move(last->second);
  nodes_.erase(last);
  return node;
}

class NodeGradients : public Gradients {
 public:
  NodeGradients(const std::vector<Input>& inputs, NodeQueue& queue)
      : inputs_(inputs), queue_(queue) {}
  bool wants(size_t i) const override { return inputs_.at(i).node != nullptr; }
  void add(size_t i, const Tensor& gradient) override {
    if (!wants(i)) return;
    inputs_[i].node->add(inputs_[i].views, gradient);
    queue_.push(inputs_[i].node);
  }
  Tensor sums(size_t i) override {
    if (!wants(i)) return {};
    queue_.push(inputs_[i].node);
    return inputs_[i].node->open(inputs_[i].views);
  }

  std::vector<Tensor> places(const std::vector<size_t>& inputs) override {
    std::vector<const Input*> shares;
    for (const size_t i : inputs) shares.push_back(&inputs_.at(i));
    const std::shared_ptr<Node>& node = shares.front()->node;
    const auto elsewhere = [&](const Input* share) { return share->node != node; };
    if (node == nullptr || std::ranges::any_of(shares, elsewhere)) return {};
    std::vector<Tensor> parts = node->share_out(shares);
    if (!parts.empty()) queue_.push(node);
    return parts;
  }

 private:
  const std::vector<Input>& inputs_;
  NodeQueue& queue_;
};

void Node::run(NodeQueue& queue) {
  const Backward step = std::exchange(backward_, nullptr);
  const std::vector<Input> inputs = std::exchange(inputs_, {});
  const auto also = std::exchange(also_, {});
  const Tensor dy = std::exchange(gradient_, Tensor());
  if (!step) {
    throw Error(ErrorCode::invalid_argument,
                "backward: needed a graph that was not run yet, found one whose values were freed "
                "by an earlier backward; run the forward pass again");
  }
  NodeGradients to(inputs, queue);
  step(dy, to);
  for (const auto& trace : also) {
    const auto node = std::static_pointer_cast<Node>(trace);
    if (node->gradient().defined()) queue.push(node);
  }
}

/// How often backward has still to come by each leaf of a graph.
class LeafVisits {
 public:
  LeafVisits(const std::shared_ptr<Node>& last, const LeafDone& done) : done_(done) {
    std::unordered_set<const Node*> seen;
    std::vector<std::shared_ptr<Node>> open;
    const auto meet = [&](const std::shared_ptr<Node>& node) {
      if (node->is_leaf()) {
        ++left(node);
      } else if (seen.insert(node.get()).second) {
        open.push_back(node);
      }
    };
    meet(last);
    while (!open.empty()) {
      const auto node = std::move(open.back());
      open.pop_back();
      for (const auto& source : node->sources()) meet(source);
    }
  }

  void came_by(const std::vector<std::shared_ptr<Node>>& sources) {
    for (const auto& source : sources) {
      if (source->is_leaf() && --left(source) == 0) done_(*source);
    }
  }

  /// Leaves behind records that got no gradient.
  void finish() {
    for (const auto& [leaf, count] : visits_) {
      if (count > 0) done_(*leaf);
    }
  }

 private:
  int64_t& left(const std::shared_ptr<Node>& leaf) {
    const auto [place, is_new] = places_.emplace(leaf.get(), visits_.size());
    if (is_new) visits_.emplace_back(leaf, 0);
    return visits_[place->second].second;
  }

  const LeafDone& done_;
  std::unordered_map<const Node*, size_t> places_;
  std::vector<std::pair<std::shared_ptr<Node>, int64_t>> visits_;  // in the order of meeting
};

const Node& leaf_node(const Tensor& x) {
  const auto* node = dynamic_cast<const Node*>(x.trace().get());
  if (node == nullptr || !node->is_leaf()) {
    throw Error(ErrorCode::invalid_argument, "gradient: needed a leaf, found a tensor that is " +
                                                 std::string(x.traced() ? "computed" : "untraced"));
  }
  return *node;
}

}  // namespace

bool recording(std::initializer_list<const Tensor*> inputs) {
  if (recording_off != 0 && taken != nullptr) {
    for (const Tensor* x : inputs) taken->note(input_of(*x).node);
  }
  return recording_off == 0 && std::ranges::any_of(inputs, [](auto* x) { return x->traced(); });
}

bool recording(const std::vector<Tensor>& inputs) {
  if (recording_off != 0 && taken != nullptr) {
    for (const Tensor& x : inputs) taken->note(input_of(x).node);
  }
  return recording_off == 0 && std::ranges::any_of(inputs, &Tensor::traced);
}

bool recording() { return recording_off == 0; }

Tensor record(const Tensor& y, const std::vector<Tensor>& inputs, Backward backward,
              std::vector<std::shared_ptr<Trace>> also) {
  std::vector<Input> from;
  from.reserve(inputs.size());
  for (const Tensor& input : inputs) from.push_back(input_of(input));
  return y.with_trace(
      std::make_shared<Node>(y, std::move(from), std::move(backward), std::move(also)));
}

Tensor leaf(const Tensor& x) {
  auto node = std::make_shared<Node>(x, std::vector<Input>(), nullptr);
  node->make_leaf();
  return x.with_trace(std::move(node));
}

Tensor gradient(const Tensor& x) { return leaf_node(x).gradient(); }

void clear_gradient(const Tensor& x) {
  leaf_node(x);
  static_cast<Node*>(x.trace().get())->clear_gradient();
}

void backward(const Tensor& loss) {
  if (loss.numel() != 1) {
    throw Error(ErrorCode::invalid_argument,
                "backward: a loss must be one number but is " + to_string(loss.shape()));
  }
  backward(loss, Tensor::full({1}, 1.0F).reshape(loss.shape()));
}

uint64_t recorded_so_far() { return recorded.load(std::memory_order_relaxed); }

void backward(const Tensor& y, const Tensor& dy, const LeafDone& done, uint64_t place) {
  const Input start = input_of(y);
  if (start.node == nullptr) {
    throw Error(ErrorCode::invalid_argument,
                "backward: needed a result of recorded operations, found a tensor that no leaf "
                "reaches (or one made while recording was off)");
  }
  if (!(y.shape() == dy.shape())) {
    throw Error(ErrorCode::invalid_argument, "backward: dy must be " + to_string(y.shape()) +
                                                 " as y but is " + to_string(dy.shape()));
  }
  const NoGrad off;
  NodeQueue queue(place);
  start.node->add(start.views, dy);
  queue.push(start.node);
  std::optional<LeafVisits> visits;
  if (done) visits.emplace(start.node, done);
  while (!queue.empty()) {
    const std::shared_ptr<Node> node = queue.pop();
    const auto sources = done ? node->sources() : std::vector<std::shared_ptr<Node>>();
    node->run(queue);
    if (done) visits->came_by(sources);
  }
  if (done) visits->finish();
}

Taken::Taken() : before_(taken) { taken = this; }
Taken::~Taken() { taken = before_; }
void Taken::note(const std::shared_ptr<Trace>& trace) {
  if (trace == nullptr || std::ranges::find(traces_, trace) != traces_.end()) return;
  traces_.push_back(trace);
}

NoGrad::NoGrad() { ++recording_off; }
NoGrad::~NoGrad() { --recording_off; }

Recording::Recording() : off_before_(recording_off) { recording_off = 0; }
Recording::~Recording() { recording_off = off_before_; }

}  // namespace heed
