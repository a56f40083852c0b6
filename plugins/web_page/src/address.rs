//! Links of a page as whole addresses. A URL library would be larger than the rest of the plugin, and all that is needed is
//! what a browser does with an `href`.

/// Where a link leads; none if that is no web page, or a place on the same one.
pub(crate) fn join(base: &str, link: &str) -> Option<String> {
    let link: String = link.trim().chars().filter(|character| !matches!(character, '\n' | '\r' | '\t')).collect();
    let link = link.split('#').next().unwrap_or_default();
    if link.is_empty() {
        return None;
    }
    if let Some((scheme, _)) = link.split_once(':')
        && !scheme.is_empty()
        && scheme.chars().all(|character| character.is_ascii_alphanumeric() || "+-.".contains(character))
    {
        return is_web(link).then(|| encoded(link));
    }
    let (scheme, rest) = base.split_once("://")?;
    if let Some(rest) = link.strip_prefix("//") {
        return Some(encoded(&format!("{scheme}://{rest}")));
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end)?;
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let joined = if link.starts_with('/') {
        normalized(link)
    } else if link.starts_with('?') {
        format!("{}{link}", if path.is_empty() { "/" } else { path })
    } else {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        normalized(&format!("{folder}/{link}"))
    };
    Some(encoded(&format!("{scheme}://{authority}{joined}")))
}

/// Whether the address is one of the web.
pub(crate) fn is_web(address: &str) -> bool {
    let starts = |scheme: &str| address.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    starts("https://") || starts("http://")
}

/// Without `.` and `..` in its path.
fn normalized(path: &str) -> String {
    let (path, query) = path.find('?').map_or((path, ""), |at| path.split_at(at));
    let mut kept: Vec<&str> = Vec::new();
    let mut folder = false;
    for part in path.split('/').skip(1) {
        folder = matches!(part, "." | "..");
        match part {
            ".." => {
                kept.pop();
            }
            "." => {}
            part => kept.push(part),
        }
    }
    let end = if folder && !kept.is_empty() { "/" } else { "" };
    format!("/{}{end}{query}", kept.join("/"))
}

/// Spaces would end the address in Markdown, as would brackets.
fn encoded(address: &str) -> String {
    address.replace(' ', "%20").replace('(', "%28").replace(')', "%29").replace('<', "%3C").replace('>', "%3E")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_where_a_browser_would_go() {
        let base = "https://example.com/a/b/page.html?x=1";
        for (link, expected) in [
            ("https://other.net/x#top", "https://other.net/x"),
            ("//cdn.net/y", "https://cdn.net/y"),
            ("/root", "https://example.com/root"),
            ("next.html", "https://example.com/a/b/next.html"),
            ("../up/./one", "https://example.com/a/up/one"),
            ("../../../../far", "https://example.com/far"),
            ("..", "https://example.com/a/"),
            ("?page=2", "https://example.com/a/b/page.html?page=2"),
            ("a b(1).html?q=../x", "https://example.com/a/b/a%20b%281%29.html?q=../x"),
            (" \nwra\npped ", "https://example.com/a/b/wrapped"),
        ] {
            assert_eq!(join(base, link).as_deref(), Some(expected), "{link}");
        }
        for nowhere in ["#top", "", "javascript:void(0)", "mailto:a@b.c", "data:text/html,x", "tel:1"] {
            assert_eq!(join(base, nowhere), None, "{nowhere}");
        }
        assert_eq!(join("https://example.com", "x").as_deref(), Some("https://example.com/x"));
        assert_eq!(join("https://example.com", "?q").as_deref(), Some("https://example.com/?q"));
    }
}
