//! Words of a source as the compiler sees them: comments and strings are no code.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// Calls `see` with every identifier, outermost first, and the line that it stands on.
pub(crate) fn each_word(stream: TokenStream, see: &mut dyn FnMut(&str, usize)) {
    for tree in stream {
        match tree {
            TokenTree::Ident(word) => see(&word.to_string(), word.span().start().line),
            TokenTree::Group(group) => each_word(group.stream(), see),
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}

/// Calls `see` with the value of every string, raw and C strings too. Documentation is no string.
pub(crate) fn each_string(stream: TokenStream, see: &mut dyn FnMut(String, usize)) {
    for tree in stream {
        match &tree {
            TokenTree::Group(group) if !is_doc(group) => each_string(group.stream(), see),
            TokenTree::Literal(literal) => {
                let line = literal.span().start().line;
                match syn::parse_str::<syn::Lit>(&literal.to_string()) {
                    Ok(syn::Lit::Str(text)) => see(text.value(), line),
                    Ok(syn::Lit::CStr(text)) => {
                        see(text.value().to_string_lossy().into_owned(), line);
                    }
                    _ => {}
                }
            }
            _ => {}
        }
    }
}

fn is_doc(group: &proc_macro2::Group) -> bool {
    let first = group.stream().into_iter().next();
    group.delimiter() == Delimiter::Bracket
        && matches!(first, Some(TokenTree::Ident(word)) if word == "doc")
}

/// Calls `see` with the words inside each `cfg(…)`, `cfg!(…)` and `cfg_attr(…)`, and with what is
/// named behind `consts::`, where the standard library tells the system that was built for.
pub(crate) fn each_condition(stream: TokenStream, see: &mut dyn FnMut(&str, usize)) {
    let (mut asked, mut named) = (false, false);
    for tree in stream {
        match tree {
            TokenTree::Ident(word) => {
                if named {
                    see(&word.to_string(), word.span().start().line);
                }
                asked = word == "cfg" || word == "cfg_attr";
                named = word == "consts";
            }
            TokenTree::Punct(mark) => {
                asked &= mark.as_char() == '!';
                named &= mark.as_char() == ':';
            }
            TokenTree::Group(group) => {
                if asked || named {
                    each_word(group.stream(), see);
                } else {
                    each_condition(group.stream(), see);
                }
                (asked, named) = (false, false);
            }
            TokenTree::Literal(_) => (asked, named) = (false, false),
        }
    }
}

/// The names that follow `#[test] … fn`, as inside a macro that holds whole tests.
pub(crate) fn tests_in(stream: TokenStream) -> Vec<String> {
    let mut found = Vec::new();
    let (mut marked, mut function) = (false, false);
    for tree in stream {
        match tree {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Bracket => {
                marked |= group.stream().to_string() == "test";
            }
            TokenTree::Ident(word) if function => {
                if std::mem::take(&mut marked) {
                    found.push(word.to_string());
                }
                function = false;
            }
            TokenTree::Ident(word) => function = word == "fn",
            TokenTree::Group(_) | TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
    found
}
