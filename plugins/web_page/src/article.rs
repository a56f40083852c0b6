//! Which part of a page is what people came for. Pages that say it (`<main>`, `<article>`) are believed; in the others it is
//! the block with the most sentences and the fewest links, as readers' modes of browsers find it.

use crate::tree::{Element, Node};

/// A shorter text is a label, a button or a line of a menu.
const SENTENCE: usize = 25;
/// What is less than this is no article, so the whole page is given.
const ARTICLE: usize = 140;
/// A block that has less than this part of the page's text misses something.
const ENOUGH: f64 = 0.25;
/// Blocks beside the text, whatever they are called.
const BESIDE: &[&str] = &["nav", "footer", "aside", "button", "form", "menu", "label", "input"];
/// How authors call blocks beside the text.
const NAMES_BESIDE: &[&str] = &[
    "ad",
    "ads",
    "advert",
    "advertisement",
    "banner",
    "breadcrumb",
    "breadcrumbs",
    "comment",
    "comments",
    "cookie",
    "copyright",
    "footer",
    "menu",
    "nav",
    "navbar",
    "navigation",
    "newsletter",
    "pager",
    "pagination",
    "popup",
    "promo",
    "recommend",
    "related",
    "share",
    "sharing",
    "sidebar",
    "social",
    "toolbar",
];
/// A block beside the text is short, or mostly links.
const SHORT: usize = 200;
const MOSTLY_LINKS: f64 = 0.5;

/// Whether a reader sees it at all.
pub(crate) fn is_hidden(element: &Element) -> bool {
    let style = element.attribute("style").unwrap_or_default().to_ascii_lowercase();
    let style: String = style.split_whitespace().collect();
    element.attribute("hidden").is_some()
        || element.attribute("aria-hidden") == Some("true")
        || style.contains("display:none")
        || style.contains("visibility:hidden")
        || matches!(element.name.as_str(), "head" | "title")
}

/// Whether it stands beside the text: navigation, advertisements, a form.
pub(crate) fn is_beside(element: &Element) -> bool {
    if is_hidden(element) || BESIDE.contains(&element.name.as_str()) {
        return true;
    }
    if matches!(element.attribute("role"), Some("navigation" | "banner" | "complementary" | "contentinfo" | "search")) {
        return true;
    }
    let names = [element.attribute("class"), element.attribute("id")];
    let words =
        names.iter().flatten().flat_map(|names| names.split(|character: char| !character.is_ascii_alphanumeric()));
    let mut words = words.map(str::to_ascii_lowercase);
    if !words.any(|word| NAMES_BESIDE.contains(&word.as_str())) {
        return false;
    }
    let amount = Amount::of(element);
    amount.characters < SHORT || amount.links() > MOSTLY_LINKS
}

/// The element that holds the text.
pub(crate) fn find(page: &Element) -> &Element {
    let mut search = Search::default();
    let whole = search.walk(page, false).characters;
    let is_article = |(_, amount): &(&Element, Amount)| {
        amount.characters >= ARTICLE && amount.characters as f64 >= ENOUGH * whole as f64
    };
    let said = search.said.filter(is_article);
    said.or_else(|| search.best.map(|(element, amount, _)| (element, amount)).filter(is_article))
        .map_or(page, |it| it.0)
}

#[derive(Default)]
struct Search<'a> {
    /// The longest that says of itself that it is the text.
    said: Option<(&'a Element, Amount)>,
    /// The one that reads most like a text, with its score.
    best: Option<(&'a Element, Amount, f64)>,
}

impl<'a> Search<'a> {
    /// Looks at every element once, the inner ones first, so that a long page costs no more than its length.
    fn walk(&mut self, element: &'a Element, linked: bool) -> Amount {
        let mut amount = Amount::default();
        for child in &element.children {
            match child {
                Node::Text(text) => amount.add(text, linked),
                Node::Element(child) if is_hidden(child) || BESIDE.contains(&child.name.as_str()) => {}
                Node::Element(child) => amount.include(self.walk(child, linked || child.name == "a")),
            }
        }
        let says = matches!(element.name.as_str(), "main" | "article") || element.attribute("role") == Some("main");
        if says && self.said.is_none_or(|(_, most)| amount.characters >= most.characters) {
            self.said = Some((element, amount));
        }
        let inner: f64 = element.elements().map(sentences).sum();
        let score = (sentences(element) + 0.5 * inner) * (1.0 - amount.links());
        if element.is_block() && self.best.is_none_or(|(_, _, highest)| score > highest) {
            self.best = Some((element, amount, score));
        }
        amount
    }
}

/// What an element's direct children say in sentences.
fn sentences(element: &Element) -> f64 {
    let texts = element.children.iter().map(|child| match child {
        Node::Text(text) => text.trim().to_owned(),
        Node::Element(child) if matches!(child.name.as_str(), "p" | "pre" | "blockquote") => {
            child.text().trim().to_owned()
        }
        Node::Element(_) => String::new(),
    });
    let score = |text: String| {
        let length = text.chars().count();
        if length < SENTENCE {
            return 0.0;
        }
        let pauses = text.chars().filter(|character| ",，、。；".contains(*character)).count();
        1.0 + pauses as f64 + (length as f64 / 100.0).min(3.0)
    };
    texts.map(score).sum()
}

/// How much text an element has that is not beside it, and how much of that is links.
#[derive(Clone, Copy, Default)]
struct Amount {
    characters: usize,
    linked: usize,
}

impl Amount {
    fn of(element: &Element) -> Self {
        Search::default().walk(element, element.name == "a")
    }

    fn add(&mut self, text: &str, linked: bool) {
        let characters = text.chars().filter(|character| !character.is_whitespace()).count();
        self.characters += characters;
        self.linked += if linked { characters } else { 0 };
    }

    fn include(&mut self, other: Self) {
        self.characters += other.characters;
        self.linked += other.linked;
    }

    fn links(self) -> f64 {
        if self.characters == 0 { 0.0 } else { self.linked as f64 / self.characters as f64 }
    }
}
