//! One file for each format: what it is made of, as blocks.

pub(crate) mod docx;
pub(crate) mod epub;
pub(crate) mod html;
pub(crate) mod json;
pub(crate) mod pdf;
pub(crate) mod pptx;
pub(crate) mod sheet;
pub(crate) mod table;
pub(crate) mod text;
pub(crate) mod zip;

/// What a reader works on.
pub(crate) struct Input<'a> {
    pub(crate) source: &'a super::source::Source<'a>,
    pub(crate) name: &'a str,
}
