// Tells what has changed between two texts: two versions of a contract, a policy, a price list.

import { about, plugin, tool, Type } from "parlour-plugin";

import icon from "../icon.svg";
import { compare as compareTexts } from "./compare.ts";
import { summary } from "./markdown.ts";

/** What a call's processor time allows even where every line differs. */
const MOST_CHARACTERS = 100_000;
const USUAL_CHANGES = 100;
const MOST_CHANGES = 1000;

const oneOf = <Kind extends string>(...kinds: Kind[]) => Type.Unsafe<Kind>({ enum: kinds });

const text = (en: string, zh: string) => Type.String({ maxLength: MOST_CHARACTERS, ...about(en, zh) });
const flag = (en: string, zh: string) => Type.Optional(Type.Boolean({ default: false, ...about(en, zh) }));

const compare = tool({
  title: { en: "Compare two texts", zh: "比较两段文字" },
  description: {
    en: "Tells what was added, removed and changed between two versions of a text, line by line and, within a changed line, word by word (Chinese by characters). Answers the changes, how similar the texts are, and a summary in Markdown. For contracts, policies and price lists.",
    zh: "比较一段文字的两个版本，逐行找出新增、删除和修改的内容，修改的行再逐词比较（中文按字）。返回修改列表、相似度和 Markdown 摘要。适用于合同、制度、价目表。",
  },
  input: Type.Object({
    before: text("The earlier version", "旧版本"),
    after: text("The later version", "新版本"),
    language: Type.Optional(
      Type.Unsafe<"en" | "zh">({
        enum: ["en", "zh"],
        default: "en",
        ...about("What the summary is written in", "摘要使用的语言"),
      }),
    ),
    ignore_case: flag("Take A and a as the same", "忽略字母大小写"),
    ignore_whitespace: flag("Take any spaces as one, and none at the ends of lines", "忽略多余的空格和行首行尾的空格"),
    ignore_width: flag("Take full-width characters as the usual ones: １，０００ as 1,000", "忽略全角与半角的区别：１，０００ 与 1,000 相同"),
    max_changes: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: MOST_CHANGES,
        default: USUAL_CHANGES,
        ...about("At most so many changes are listed; all are counted", "最多列出多少处修改；计数不受影响"),
      }),
    ),
  }),
  output: Type.Object({
    same: Type.Boolean(about("Whether nothing differs", "是否完全相同")),
    similarity: Type.Number({
      minimum: 0,
      maximum: 1,
      ...about("The part of both texts that is the same, from 0 to 1", "相同部分所占比例，0 到 1"),
    }),
    added: Type.Integer(about("Lines that are new", "新增的行数")),
    removed: Type.Integer(about("Lines that are gone", "删除的行数")),
    changed: Type.Integer(about("Lines that read differently", "修改的行数")),
    changes: Type.Array(
      Type.Object({
        kind: oneOf("added", "removed", "changed"),
        line_before: Type.Integer(about("Its line in the earlier version, from 1; for a new line, the one before it", "旧版本中的行号，从 1 开始；新增的行为其前一行")),
        line_after: Type.Integer(about("Its line in the later version; for a removed line, the one before it", "新版本中的行号；删除的行为其前一行")),
        before: Type.Optional(Type.String(about("As it was", "原文"))),
        after: Type.Optional(Type.String(about("As it is", "新文"))),
        pieces: Type.Optional(
          Type.Array(
            Type.Object({ kind: oneOf("same", "removed", "added"), text: Type.String() }),
            about("A changed line in its parts", "修改的行中各个部分"),
          ),
        ),
      }),
    ),
    truncated: Type.Boolean(about("Whether there are more changes than are listed", "是否还有未列出的修改")),
    markdown: Type.String(about("The changes in words", "文字摘要")),
  }),
  examples: [
    {
      title: { en: "A clause of a lease", zh: "租赁合同的一条" },
      input: {
        before: "租赁期限：12 个月\n月租金：8,500 元\n押金：一个月租金",
        after: "租赁期限：24 个月\n月租金：8,500 元\n押金：两个月租金\n水电费由承租方承担",
        language: "zh",
      },
      output: {
        same: false,
        similarity: 0.7761,
        added: 1,
        removed: 0,
        changed: 2,
        changes: [
          {
            kind: "changed",
            before: "租赁期限：12 个月",
            after: "租赁期限：24 个月",
            pieces: [
              { kind: "same", text: "租赁期限：" },
              { kind: "removed", text: "12" },
              { kind: "added", text: "24" },
              { kind: "same", text: " 个月" },
            ],
            line_before: 1,
            line_after: 1,
          },
          {
            kind: "changed",
            before: "押金：一个月租金",
            after: "押金：两个月租金",
            pieces: [
              { kind: "same", text: "押金：" },
              { kind: "removed", text: "一" },
              { kind: "added", text: "两" },
              { kind: "same", text: "个月租金" },
            ],
            line_before: 3,
            line_after: 3,
          },
          { kind: "added", after: "水电费由承租方承担", line_before: 3, line_after: 4 },
        ],
        truncated: false,
        markdown:
          "**修改 2 处，新增 1 处，删除 0 处**；相同部分占 77.6%。\n\n- 第 1 行：租赁期限：~~12~~**24** 个月\n- 第 3 行：押金：~~一~~**两**个月租金\n- 第 4 行，新增：**水电费由承租方承担**",
      },
    },
    {
      title: { en: "A price list", zh: "价目表" },
      input: { before: "Tea 12.50\nCoffee 18.00", after: "Tea 12.50\nCoffee 19.50\nCake 22.00" },
    },
  ],
  run({ before, after, language = "en", max_changes = USUAL_CHANGES, ...input }) {
    const { changes, similarity } = compareTexts(before, after, {
      case: input.ignore_case ?? false,
      whitespace: input.ignore_whitespace ?? false,
      width: input.ignore_width ?? false,
    });
    const count = (kind: string) => changes.filter((it) => it.kind === kind).length;
    const counts = { added: count("added"), removed: count("removed"), changed: count("changed") };
    const listed = changes.slice(0, max_changes);
    return {
      same: changes.length === 0,
      // Down, so that 1 is said of nothing that differs.
      similarity: Math.floor(similarity * 10_000) / 10_000,
      ...counts,
      changes: listed.map(({ lineBefore, lineAfter, ...change }) => ({
        ...change,
        line_before: lineBefore,
        line_after: lineAfter,
      })),
      truncated: listed.length < changes.length,
      markdown: summary(language, listed, counts, similarity),
    };
  },
});

export default plugin({
  id: "compare_texts",
  title: { en: "Compare texts", zh: "文字对比" },
  description: {
    en: "Tells what has changed between two versions of a text.",
    zh: "找出一段文字的两个版本之间有哪些改动。",
  },
  icon,
  tools: { compare },
});
