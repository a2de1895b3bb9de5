//! Tables, with colour that does not disturb their layout.
//!
//! The table is laid out with marks of no width around a coloured word; afterwards each mark
//! becomes the escape code that it stands for.

use anstyle::{AnsiColor, Reset, Style};
use comfy_table::{ContentArrangement, LineStyle, TableStyle};

/// The line between header and rows; there is no other.
const UNDERLINE: LineStyle = LineStyle::none().fill('─').junction('─');

/// Columns where no terminal says how many there are.
const WIDTH: u16 = 100;

/// What a word means to the reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// As it should be.
    Good,
    /// Not as it should be.
    Bad,
    /// Not known, or not ideal.
    Doubtful,
}

const END: char = '\u{2064}';

impl Tone {
    const ALL: [Self; 3] = [Self::Good, Self::Bad, Self::Doubtful];

    /// The escape code that begins it.
    pub(crate) fn start(self) -> String {
        let color = match self {
            Self::Good => AnsiColor::Green,
            Self::Bad => AnsiColor::Red,
            Self::Doubtful => AnsiColor::Yellow,
        };
        let style = Style::new().fg_color(Some(color.into())).bold();
        style.render().to_string()
    }

    /// The escape code that ends it.
    pub(crate) fn end() -> String {
        Reset.render().to_string()
    }

    /// Invisible operators of Unicode: no columns wide, and [`plain`] keeps them out of content.
    fn mark(self) -> char {
        match self {
            Self::Good => '\u{2061}',
            Self::Bad => '\u{2062}',
            Self::Doubtful => '\u{2063}',
        }
    }
}

/// The text without anything that a terminal would obey: names of files are other people's words.
pub(crate) fn plain(text: &str) -> String {
    text.chars()
        .map(|char| if is_plain(char) { char } else { '\u{fffd}' })
        .collect()
}

/// Whether a terminal shows it, and obeys nothing.
pub(crate) fn is_plain(char: char) -> bool {
    !char.is_control() && !('\u{2061}'..=END).contains(&char)
}

/// One cell of a table.
#[derive(Clone, Debug)]
pub(crate) struct Cell(String);

impl Cell {
    /// A cell in colour. The text should be one short word: it must not be wrapped.
    pub(crate) fn toned(tone: Tone, text: &str) -> Self {
        Self(format!("{}{}{END}", tone.mark(), plain(text)))
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self(plain(text.as_ref()))
    }
}

/// Rows under a header.
#[derive(Debug)]
pub(crate) struct Table(comfy_table::Table);

impl Table {
    /// A table with these columns.
    pub(crate) fn new<const N: usize>(header: [&str; N]) -> Self {
        let mut table = comfy_table::Table::new();
        table
            .load_style(TableStyle::new().header_separator(UNDERLINE))
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_header(header);
        Self(table)
    }

    /// Adds a row.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = Cell>) {
        self.0.add_row(cells.into_iter().map(|cell| cell.0));
    }

    /// The table as text with escape codes, for a stream that strips them where they do not belong.
    pub(super) fn render(&self, width: Option<u16>) -> String {
        let mut table = self.0.clone();
        table.set_width(width.unwrap_or(WIDTH));
        let mut text = table.trim_fmt();
        for tone in Tone::ALL {
            text = text.replace(tone.mark(), &tone.start());
        }
        text.replace(END, &Tone::end())
    }
}
