//! A page's source as a tree. The tokens come from `html5gum`, exactly as browsers see them; the tree is simpler than theirs:
//! it closes what authors leave open, drops what nobody reads, and is never deeper than can be walked.

use html5gum::{DefaultEmitter, HtmlString, StartTag, Token, Tokenizer};

/// Deeper elements become part of the one above them. Readable pages have a few dozen levels.
const MAX_DEPTH: usize = 120;
/// The rest of a page that has more is not read: a call has 64 MiB of memory, and a tag of three bytes becomes a hundred.
const MAX_ELEMENTS: usize = 100_000;

#[derive(Debug)]
pub(crate) enum Node {
    Text(String),
    Element(Element),
}

#[derive(Debug, Default)]
pub(crate) struct Element {
    pub(crate) name: String,
    attributes: Vec<(&'static str, String)>,
    pub(crate) children: Vec<Node>,
}

/// What is kept of an element's attributes.
const ATTRIBUTES: &[&str] = &[
    "alt",
    "aria-hidden",
    "class",
    "content",
    "hidden",
    "href",
    "id",
    "lang",
    "name",
    "property",
    "role",
    "src",
    "start",
    "style",
];
/// Have no content, and no end.
const VOID: &[&str] =
    &["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"];
/// Nobody reads them; their content is dropped with them.
const UNREAD: &[&str] = &[
    "canvas", "datalist", "dialog", "iframe", "math", "noembed", "noscript", "object", "script", "select", "style",
    "svg", "template", "textarea", "video", "audio",
];
/// Stand as a block of their own.
const BLOCKS: &[&str] = &[
    "address",
    "article",
    "aside",
    "blockquote",
    "body",
    "center",
    "dd",
    "details",
    "div",
    "dl",
    "dt",
    "fieldset",
    "figcaption",
    "figure",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hr",
    "html",
    "li",
    "main",
    "nav",
    "ol",
    "p",
    "pre",
    "section",
    "summary",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "tr",
    "ul",
];

impl Element {
    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(present, _)| *present == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn elements(&self) -> impl Iterator<Item = &Element> {
        self.children.iter().filter_map(|node| match node {
            Node::Element(element) => Some(element),
            Node::Text(_) => None,
        })
    }

    pub(crate) fn is_block(&self) -> bool {
        BLOCKS.contains(&self.name.as_str())
    }

    /// Calls with every element below this one, and itself, in the order of the source.
    pub(crate) fn visit<'a>(&'a self, call: &mut impl FnMut(&'a Element)) {
        call(self);
        for child in self.elements() {
            child.visit(call);
        }
    }

    /// All text below, as it stands in the source.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        self.add_text(&mut text);
        text
    }

    fn add_text(&self, text: &mut String) {
        for child in &self.children {
            match child {
                Node::Text(own) => text.push_str(own),
                Node::Element(element) if element.name == "br" => text.push('\n'),
                Node::Element(element) => element.add_text(text),
            }
        }
    }
}

/// Reads a page, and says whether all of it was. There is no source that is not a page.
pub(crate) fn read(source: &str) -> (Element, bool) {
    let mut emitter = DefaultEmitter::default();
    // Scripts and titles hold no tags.
    emitter.naively_switch_states(true);
    let mut builder = Builder { open: vec![Element { name: "html".to_owned(), ..Element::default() }], unread: None };
    let mut elements = 0;
    for Ok(token) in Tokenizer::new_with_emitter(source, emitter) {
        match token {
            Token::StartTag(_) if elements == MAX_ELEMENTS => return (builder.finish(), false),
            Token::StartTag(tag) => {
                elements += 1;
                builder.start(tag);
            }
            Token::EndTag(tag) => builder.end(&text_of(&tag.name)),
            Token::String(text) => builder.text(&text_of(&text)),
            Token::Comment(_) | Token::Doctype(_) | Token::Error(_) => {}
        }
    }
    (builder.finish(), true)
}

fn text_of(bytes: &HtmlString) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

struct Builder {
    /// From the outermost inwards; the first is the page, which is never closed.
    open: Vec<Element>,
    /// The element whose content is dropped, and how many of its name are open.
    unread: Option<(String, usize)>,
}

impl Builder {
    fn start(&mut self, tag: StartTag<()>) {
        let name = text_of(&tag.name);
        if let Some((unread, depth)) = &mut self.unread {
            *depth += usize::from(*unread == name && !tag.self_closing);
            return;
        }
        if UNREAD.contains(&name.as_str()) {
            if !(tag.self_closing && name == "svg") {
                self.unread = Some((name, 1));
            }
            return;
        }
        self.close_before(&name);
        let attributes = tag.attributes.iter().filter_map(|(name, value)| {
            let kept = ATTRIBUTES.iter().find(|kept| name.as_slice() == kept.as_bytes())?;
            Some((*kept, String::from_utf8_lossy(value).into_owned()))
        });
        let element = Element { attributes: attributes.collect(), name, children: Vec::new() };
        if VOID.contains(&element.name.as_str()) || self.open.len() >= MAX_DEPTH {
            self.add(Node::Element(element));
        } else {
            self.open.push(element);
        }
    }

    fn end(&mut self, name: &str) {
        if let Some((unread, depth)) = &mut self.unread {
            if unread == name {
                *depth -= 1;
                if *depth == 0 {
                    self.unread = None;
                }
            }
            return;
        }
        self.close(|open| open == name, |_| false);
    }

    fn text(&mut self, text: &str) {
        if self.unread.is_some() {
            return;
        }
        if let Some(Node::Text(present)) = self.open.last_mut().and_then(|open| open.children.last_mut()) {
            present.push_str(text);
        } else {
            self.add(Node::Text(text.to_owned()));
        }
    }

    /// What a start tag ends although nobody wrote so.
    fn close_before(&mut self, name: &str) {
        match name {
            "li" => self.close(|open| open == "li", |open| matches!(open, "ul" | "ol")),
            "dt" | "dd" => self.close(|open| matches!(open, "dt" | "dd"), |open| open == "dl"),
            "td" | "th" => self.close(|open| matches!(open, "td" | "th"), |open| matches!(open, "tr" | "table")),
            "tr" => self.close(|open| open == "tr", |open| open == "table"),
            "thead" | "tbody" | "tfoot" => {
                self.close(|open| matches!(open, "thead" | "tbody" | "tfoot"), |open| open == "table");
            }
            "body" => self.close(|open| open == "head", |_| false),
            "a" => self.close(|open| open == "a", |open| BLOCKS.contains(&open)),
            // A paragraph holds no blocks; other blocks hold each other.
            name if BLOCKS.contains(&name) => self.close(|open| open == "p", |open| BLOCKS.contains(&open)),
            _ => {}
        }
    }

    /// Closes the innermost element that is meant, and what is open in it; not beyond one that stops the search.
    fn close(&mut self, meant: impl Fn(&str) -> bool, stops: impl Fn(&str) -> bool) {
        let mut inner = self.open.iter().enumerate().skip(1).rev();
        let found = inner.find(|(_, element)| meant(&element.name) || stops(&element.name));
        if let Some((at, element)) = found
            && meant(&element.name)
        {
            while self.open.len() > at {
                self.close_last();
            }
        }
    }

    fn close_last(&mut self) {
        if let Some(element) = self.open.pop() {
            self.add(Node::Element(element));
        }
    }

    fn add(&mut self, node: Node) {
        if let Some(open) = self.open.last_mut() {
            open.children.push(node);
        }
    }

    fn finish(mut self) -> Element {
        while self.open.len() > 1 {
            self.close_last();
        }
        self.open.pop().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `name(children)`, texts in quotes.
    fn shape(element: &Element) -> String {
        let inner: Vec<String> = element
            .children
            .iter()
            .map(|node| match node {
                Node::Text(text) => format!("{text:?}"),
                Node::Element(element) => shape(element),
            })
            .collect();
        format!("{}({})", element.name, inner.join(" "))
    }

    #[test]
    fn what_authors_leave_open_is_closed() {
        for (source, expected) in [
            ("<p>one<p>two<div>three</div>", r#"html(p("one") p("two") div("three"))"#),
            ("<ul><li>a<ul><li>b</ul><li>c</ul>", r#"html(ul(li("a" ul(li("b"))) li("c")))"#),
            ("<table><tr><td>1<td>2<tr><td>3</table>x", r#"html(table(tr(td("1") td("2")) tr(td("3"))) "x")"#),
            ("<b>bold</i> still</b></div> on", r#"html(b("bold still") " on")"#),
            ("a<br>b<img src=x />c", r#"html("a" br() "b" img() "c")"#),
            ("<dl><dt>t<dd>d<dt>u</dl>", r#"html(dl(dt("t") dd("d") dt("u")))"#),
            ("<a href=1>x<a href=2>y", r#"html(a("x") a("y"))"#),
            ("&lt;p&gt; &amp;&nbsp;&#x4f60;", "html(\"<p> &\u{a0}你\")"),
        ] {
            assert_eq!(shape(&read(source).0).replace("\\u{a0}", "\u{a0}"), expected, "{source}");
        }
    }

    #[test]
    fn what_nobody_reads_is_dropped() {
        let source = "<title>T &lt; <b></title>a<script>if (a < b) '</p><p>'</script><svg><svg></svg>x</svg><!-- c -->b<noscript><p>n</p></noscript>";
        assert_eq!(shape(&read(source).0), r#"html(title("T < <b>") "ab")"#);
        assert_eq!(shape(&read("<style>p{}").0), "html()");
    }

    #[test]
    fn a_deep_page_stays_shallow_enough_to_walk() {
        let mut deepest = 0;
        fn depth(element: &Element) -> usize {
            1 + element.elements().map(depth).max().unwrap_or_default()
        }
        for name in ["div", "b"] {
            let (page, complete) = read(&format!("{}text", format!("<{name}>").repeat(90_000)));
            assert!(complete);
            deepest = deepest.max(depth(&page));
            assert_eq!(page.text(), "text");
        }
        assert!(deepest <= MAX_DEPTH + 1, "{deepest}");
        let (page, complete) = read(&format!("text{}more", "<b>".repeat(MAX_ELEMENTS + 1)));
        assert_eq!((page.text().as_str(), complete), ("text", false));
    }
}
