//! Text of the other end, in errors.

/// No more of it is shown.
const MAX_SHOWN_BYTES: usize = 240;

/// The beginning of a text that somebody else chose, without anything that a terminal would obey.
pub(crate) fn harmless(text: &str) -> String {
    let text = text.trim();
    let shown = &text[..text.floor_char_boundary(MAX_SHOWN_BYTES)];
    let more = if shown.len() < text.len() { ".." } else { "" };
    let shown: String = shown.chars().map(|c| if c.is_control() || is_invisible(c) { '\u{fffd}' } else { c }).collect();
    format!("{shown}{more}")
}

/// Marks that change the direction in which text is shown, or that are not shown at all.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_else_chose_is_cut_and_harmless() {
        assert_eq!(harmless(" plain\n"), "plain");
        assert_eq!(harmless("a\u{1b}[2Jb\u{202e}c"), "a\u{fffd}[2Jb\u{fffd}c");
        assert_eq!(harmless(&"é".repeat(500)).len(), MAX_SHOWN_BYTES + 2);
    }
}
