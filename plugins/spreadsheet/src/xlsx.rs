//! XLSX (ECMA-376): XML files in a zip archive. As much of it as carries values; formulas are read as their last result.

mod archive;
mod reading;
mod writing;
mod xml;

#[cfg(test)]
pub(crate) use archive::pack as packed;
pub(crate) use reading::Workbook;
pub(crate) use writing::{Page, write};
