#pragma once

namespace heed {

/// The page of picture_html(), with its styles and script; @TITLE@, @THEME@, @COLORS@, @DATA@ are
/// filled in there.
extern const char* const kHtmlPage;

}  // namespace heed
