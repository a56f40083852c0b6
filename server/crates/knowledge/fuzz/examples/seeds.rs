//! Writes what fuzzing begins with to where cargo-fuzz looks for it: the documents of the tests, and a small one of each kind.

use std::path::{Path, PathBuf};

use knowledge_fuzz::{ENDINGS, PACKAGES, unpackaged};

#[path = "../../tests/it/office.rs"]
#[expect(dead_code, reason = "the tests use all of it")]
mod office;

fn main() -> std::io::Result<()> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let [files, packages, specs] = ["file", "package", "spec"].map(|it| here.join("corpus").join(it));
    for folder in [&files, &packages, &specs] {
        std::fs::create_dir_all(folder)?;
    }
    for (name, bytes) in documents(&here.join("../tests/fixtures"))? {
        let ending = name.rsplit('.').next().unwrap_or_default();
        seeds(&files, &ENDINGS, (&name, ending), &bytes)?;
        if let Some(text) = unpackaged(&bytes) {
            seeds(&packages, &PACKAGES, (&name, ending), &text)?;
        }
    }
    for path in [
        "../../../../workflows/restaurant/knowledge/menu/knowledge.yaml",
        "../../../../workflows/marketing/knowledge/ads/knowledge.yaml",
    ] {
        std::fs::copy(here.join(path), specs.join(path.replace(['/', '.'], "_")))?;
    }
    Ok(())
}

/// The same for each kind of knowledge base, behind the ending's place and the base's; nothing for an ending that is none of
/// these.
fn seeds(folder: &Path, endings: &[&str], (name, ending): (&str, &str), bytes: &[u8]) -> std::io::Result<()> {
    let Some(place) = endings.iter().position(|it| *it == ending) else { return Ok(()) };
    for base in 0..3u8 {
        let seed = [&[u8::try_from(place).unwrap_or(0), base], bytes].concat();
        std::fs::write(folder.join(format!("{name}-{base}")), seed)?;
    }
    Ok(())
}

fn documents(fixtures: &Path) -> std::io::Result<Vec<(String, Vec<u8>)>> {
    let mut all: Vec<(String, Vec<u8>)> = Vec::new();
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(fixtures.join("documents"))?.flatten().map(|it| it.path()).collect();
    paths.push(fixtures.join("menu.csv"));
    for path in paths {
        let name = path.file_name().map(|it| it.to_string_lossy().into_owned()).unwrap_or_default();
        all.push((name, std::fs::read(path)?));
    }
    let body = [
        office::paragraph("h1", "", "第一章"),
        office::paragraph("", "1", "第一点。"),
        office::paragraph("h2", "2", "second"),
        office::table(&[&["菜", "价"], &["面", "8"]]),
    ]
    .concat();
    let docx = office::docx(&body);
    let texts: [(&str, &str); 7] = [
        ("a.txt", "第一段。\n\n第二段，有 3 句。真的！\n\n问：几点关门？\n答：十点。\n"),
        (
            "a.md",
            "# 标题\n\n- 一\n  - 二\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```rust\nfn main() {}\n```\n> 引用 [x](y) **b**\n",
        ),
        (
            "a.html",
            "<html><head><meta charset=gbk><title>t</title></head><body><h1>一</h1><p>二<table><tr><th>a<td>b</table><ul><li>三</ul><pre>x</pre>",
        ),
        ("b.csv", "name,price,hot,since,tags\n面,\"1,280\",是,2026-10-03,\"大豆、小麦\"\n"),
        ("a.tsv", "问题\t答案\n几点\t十点\n"),
        (
            "a.json",
            "{\"items\": [{\"name\": \"面\", \"price\": 8, \"hot\": true, \"since\": \"2026年1月2日\", \"tags\": [\"a\", 1]}]}",
        ),
        ("a.jsonl", "{\"name\": \"面\", \"price\": \"￥8\"}\n{\"name\": null}\n"),
    ];
    all.extend(texts.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec())));
    let packages = [
        ("a.docx", docx.clone()),
        ("a.pptx", office::pptx(&[("开场", &["你好", "第二行"]), ("结束", &["再见"])])),
        ("a.xlsx", office::xlsx(&[("菜单", &[&["name", "price"], &["面", "8"]]), ("说明", &[&["x"]])])),
        ("a.epub", office::epub("书", &["<h1>一</h1><p>二", "<p>三</p>"])),
        ("a.zip", office::zipped(&[("一.md", b"# x\n\ny"), ("b/二.csv", b"a,b\n1,2\n"), ("c.docx", &docx)])),
    ];
    all.extend(packages.map(|(name, bytes)| (name.to_owned(), bytes)));
    Ok(all)
}
