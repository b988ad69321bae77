#pragma once

#include "heed/lens/look.h"

namespace heed {

/// How far two runs look to different places: the Jensen-Shannon divergence of each row's weights
/// in nats, 0 where they agree and ln 2 where they share no key; [L, H, T]. Both looks keep their
/// runs and have as many tokens and keys. Error invalid_argument says how many each has. [CLS],
/// [SEP] and sinks count like any key.
Tensor diverging(const Look& a, const Look& b);

}  // namespace heed
