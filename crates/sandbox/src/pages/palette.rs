//! The colors of all pages, for light and dark color schemes.

/// The custom properties that the pages' style sheets use.
pub(super) const PALETTE: &str = include_str!("palette.css");

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::PALETTE;

    fn colors(css: &str) -> HashMap<&str, [f64; 3]> {
        let declarations = css.split(['{', ';', '}']).filter_map(|one| one.trim().split_once(": #"));
        declarations
            .map(|(name, hex)| {
                let channel =
                    |at: usize| f64::from(u8::from_str_radix(&hex[at..at + 2], 16).unwrap()) / 255.0;
                (name, [channel(0), channel(2), channel(4)])
            })
            .collect()
    }

    /// <https://www.w3.org/TR/WCAG22/#dfn-relative-luminance>
    fn luminance(color: [f64; 3]) -> f64 {
        let [red, green, blue] = color.map(|channel| {
            if channel <= 0.04045 { channel / 12.92 } else { ((channel + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }

    /// <https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio>
    fn contrast(one: [f64; 3], other: [f64; 3]) -> f64 {
        let (one, other) = (luminance(one), luminance(other));
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    /// Level AA requires a contrast of 4.5 for text, and of 3 for borders of fields and buttons.
    #[test]
    fn palette_meets_contrast_level_aa() {
        let (light, dark) = PALETTE.split_once("@media (prefers-color-scheme: dark)").unwrap();
        let (light, dark) = (colors(light), colors(dark));
        let mut names: Vec<&&str> = light.keys().collect();
        names.sort();
        assert!(names.iter().all(|name| dark.contains_key(**name)) && light.len() == dark.len());
        for (screen, palette) in [("light", light), ("dark", dark)] {
            for (front, back, least) in [
                ("--ink", "--paper", 4.5),
                ("--ink", "--back", 4.5),
                ("--soft", "--paper", 4.5),
                ("--soft", "--back", 4.5),
                ("--soft", "--tile", 4.5),
                ("--accent", "--paper", 4.5),
                ("--accent", "--back", 4.5),
                ("--on-button", "--button", 4.5),
                ("--on-button", "--button-hover", 4.5),
                ("--danger", "--paper", 4.5),
                ("--danger", "--danger-back", 4.5),
                ("--badge", "--badge-back", 4.5),
                ("--field", "--paper", 3.0),
                ("--button", "--paper", 3.0),
            ] {
                let found = contrast(palette[front], palette[back]);
                assert!(found >= least, "{front} on {back} of a {screen} screen: {found:.2}");
            }
        }
    }
}
