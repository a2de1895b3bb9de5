//! What the documents hold: tables, links, code.

/// The cells of every row of every table whose heading starts with `first`, headings left out.
#[must_use]
pub fn rows(text: &str, first: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        let Some(line) = line.strip_prefix('|') else {
            inside = false;
            continue;
        };
        let cells: Vec<String> = line
            .trim_end_matches('|')
            .split('|')
            .map(|cell| cell.trim().to_owned())
            .collect();
        let rule = cells
            .iter()
            .all(|cell| cell.chars().all(|c| "-: ".contains(c)));
        if cells[0] == first {
            inside = true;
        } else if inside && !rule {
            found.push(cells);
        }
    }
    found
}

/// The code spans of a text: what stands between two single back-ticks.
#[must_use]
pub fn code_spans(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// The targets of links, `[so](target)`, outside of code.
#[must_use]
pub fn links(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in prose(text) {
        let plain: String = line.split('`').step_by(2).collect();
        let targets = plain.split("](").skip(1);
        found.extend(
            targets
                .filter_map(|rest| rest.split_once(')'))
                .map(|(to, _)| to.to_owned()),
        );
    }
    found
}

/// The lines outside of fenced code.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut fenced = false;
    text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    })
}

/// The bodies of fenced code of one kind, such as `sh`.
#[must_use]
pub fn fences(text: &str, kind: &str) -> Vec<String> {
    let opening = format!("```{kind}");
    let mut found: Vec<String> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        if inside && line == "```" {
            inside = false;
        } else if inside {
            if let Some(body) = found.last_mut() {
                body.push_str(line);
                body.push('\n');
            }
        } else if line == opening {
            inside = true;
            found.push(String::new());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_the_right_table_only() {
        let text = "| a | b |\n|---|---|\n| 1 | `x` |\n| 2 |  |\n\n| c |\n|---|\n| 3 |\n";
        assert_eq!(rows(text, "a"), [["1", "`x`"], ["2", ""]]);
    }

    #[test]
    fn links_outside_of_code() {
        let text = "[a](b.md) and `[c](d)` and [e](f#g)\n```\n[h](i)\n```\n[j](k)\n";
        assert_eq!(links(text), ["b.md", "f#g", "k"]);
    }

    #[test]
    fn fences_of_one_kind() {
        let text = "```sh\none\ntwo\n```\n```text\nthree\n```\n```sh\nfour\n```\n";
        assert_eq!(fences(text, "sh"), ["one\ntwo\n", "four\n"]);
        assert_eq!(code_spans("a `b` c `d`"), ["b", "d"]);
    }
}
