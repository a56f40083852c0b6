//! Whether a plugin's icon can be shown in a page. An allow-list of drawing elements and attributes: whatever is not on it
//! (scripts, styles, event handlers, links, foreign content, references outside the image) refuses the icon. Refusing
//! rather than rewriting keeps this readable, and the author learns what to remove.

use roxmltree::{Document, Node, ParsingOptions};

const MAX_ICON_BYTES: usize = 64 << 10;
const MAX_NODES: u32 = 5_000;
const SVG_NAMESPACE: &str = "http://www.w3.org/2000/svg";

const ELEMENTS: &[&str] = &[
    "svg",
    "g",
    "defs",
    "title",
    "desc",
    "path",
    "rect",
    "circle",
    "ellipse",
    "line",
    "polyline",
    "polygon",
    "text",
    "tspan",
    "linearGradient",
    "radialGradient",
    "stop",
    "clipPath",
    "mask",
    "use",
    "symbol",
];

const ATTRIBUTES: &[&str] = &[
    "id",
    "version",
    "width",
    "height",
    "viewBox",
    "preserveAspectRatio",
    "role",
    "aria-label",
    "aria-hidden",
    "d",
    "x",
    "y",
    "x1",
    "y1",
    "x2",
    "y2",
    "cx",
    "cy",
    "r",
    "rx",
    "ry",
    "fx",
    "fy",
    "dx",
    "dy",
    "points",
    "transform",
    "fill",
    "fill-rule",
    "fill-opacity",
    "clip-rule",
    "clip-path",
    "mask",
    "stroke",
    "stroke-width",
    "stroke-linecap",
    "stroke-linejoin",
    "stroke-miterlimit",
    "stroke-dasharray",
    "stroke-dashoffset",
    "stroke-opacity",
    "opacity",
    "color",
    "offset",
    "stop-color",
    "stop-opacity",
    "gradientUnits",
    "gradientTransform",
    "spreadMethod",
    "clipPathUnits",
    "maskUnits",
    "maskContentUnits",
    "font-family",
    "font-size",
    "font-weight",
    "text-anchor",
    "dominant-baseline",
    "href",
    "pathLength",
    "vector-effect",
];

/// Says what keeps the image from being shown.
pub(crate) fn check(icon: &str) -> Result<(), String> {
    if icon.len() > MAX_ICON_BYTES {
        return Err(format!("it has {} bytes; at most {MAX_ICON_BYTES} are shown", icon.len()));
    }
    // Without DTD there are no entities, so nothing expands.
    let options = ParsingOptions { allow_dtd: false, nodes_limit: MAX_NODES, ..ParsingOptions::default() };
    let document = Document::parse_with_options(icon, options).map_err(|error| format!("it is not SVG: {error}"))?;
    if document.root_element().tag_name().name() != "svg" {
        return Err("it is not SVG: its outermost element is not `svg`".to_owned());
    }
    for node in document.descendants() {
        if node.is_pi() {
            return Err("processing instructions are not allowed".to_owned());
        }
        if node.is_element() {
            check_element(node)?;
        }
    }
    Ok(())
}

fn check_element(node: Node<'_, '_>) -> Result<(), String> {
    let name = node.tag_name().name();
    if node.tag_name().namespace() != Some(SVG_NAMESPACE) {
        return Err(format!("the element `{name}` is outside the namespace {SVG_NAMESPACE}"));
    }
    if !ELEMENTS.contains(&name) {
        return Err(format!("the element `{name}` is not allowed"));
    }
    for attribute in node.attributes() {
        let (name, value) = (attribute.name(), attribute.value());
        if !ATTRIBUTES.contains(&name) {
            return Err(format!("the attribute `{name}` is not allowed"));
        }
        if name == "href" && !value.trim().starts_with('#') {
            return Err("`href` may only point inside the image (`#name`)".to_owned());
        }
        // Backslashes and comments can hide `url(` from a reader that is not a CSS parser.
        let lower = value.to_ascii_lowercase();
        let hidden = lower.contains('\\') || lower.contains("/*");
        let outside = lower.match_indices("url(").any(|(at, found)| {
            let target = lower.get(at + found.len()..).unwrap_or_default();
            !target.trim_start_matches([' ', '\t', '"', '\'']).starts_with('#')
        });
        if hidden || outside || lower.contains("javascript:") || lower.contains("image-set") {
            return Err(format!("the attribute `{name}` points outside the image"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::check;

    fn svg(inner: &str) -> String {
        format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 24 24">{inner}</svg>"#
        )
    }

    #[test]
    fn drawings_pass() {
        let drawing = r##"<defs><linearGradient id="a"><stop offset="0" stop-color="#f00"/></linearGradient></defs>
            <path d="M0 0h24v24z" fill="url(#a)" stroke="currentColor"/><use href="#b"/><use xlink:href="#b"/>"##;
        assert_eq!(check(&svg(drawing)), Ok(()));
    }

    #[test]
    fn whatever_could_act_or_phone_home_is_refused() {
        for inner in [
            "<script>alert(1)</script>",
            "<style>*{background:url(https://x.example)}</style>",
            r#"<path onload="alert(1)" d="M0 0"/>"#,
            r#"<use href="https://x.example/a.svg#b"/>"#,
            r#"<use xlink:href="data:image/svg+xml,x"/>"#,
            r#"<path fill="url(https://x.example/a)"/>"#,
            r#"<path fill="u\72l(https://x.example/a)"/>"#,
            r#"<path style="fill:red"/>"#,
            r#"<image href="https://x.example/a.png"/>"#,
            r#"<foreignObject><body xmlns="http://www.w3.org/1999/xhtml"/></foreignObject>"#,
            r#"<a href="javascript:alert(1)"><path d="M0 0"/></a>"#,
            r#"<animate attributeName="href" to="javascript:alert(1)"/>"#,
            "<?xml-stylesheet href='https://x.example'?>",
        ] {
            assert!(check(&svg(inner)).is_err(), "{inner}");
        }
        assert!(check("<!DOCTYPE svg [<!ENTITY a 'b'>]><svg xmlns='http://www.w3.org/2000/svg'>&a;</svg>").is_err());
        assert!(check("<html xmlns='http://www.w3.org/1999/xhtml'/>").is_err());
        assert!(check("not xml").is_err());
    }
}
