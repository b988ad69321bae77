#include "heed/models/causal.h"

#include "heed/base/error.h"

namespace heed {

Tensor CausalModel::pooled(const Tensor& /*last_hidden_state*/) const {
  throw Error(ErrorCode::unsupported, facts().architecture +
                                          ": a causal language model has no pooler; its last "
                                          "token's state tells of the whole text");
}

}  // namespace heed
