#pragma once

#include "heed/text/aligned_text.h"

namespace heed {

enum class NormalForm { nfd, nfc, nfkd, nfkc };

/// Unicode normal forms (UAX #15) as the reference tokenizers know them: characters newer than
/// their tables (CodePointClass::unknown_to_normal_forms) stay as they are.
void normalize(AlignedText& text, NormalForm form);

}  // namespace heed
