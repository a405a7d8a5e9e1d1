//! Where strings, quoted names and comments begin and end, by PostgreSQL's own rules; and whether the grammar sees it so.
//!
//! Everything else that can go wrong between two readers of SQL is about words, and shows; a string that one of them takes
//! for a comment hides whatever is in it. Source: PostgreSQL, `scan.l`.

use sqlparser::tokenizer::{Token, TokenWithSpan, Whitespace};

/// The longest text that is read.
const LONGEST: usize = 1024 * 1024;
/// The most words, operators and so on. More than a statement with all its 65,535 parameters.
const MOST_PIECES: usize = 300_000;
/// The deepest nesting of parentheses and brackets.
const DEEPEST: usize = 100;
/// The most operators: each may be a level of the tree.
const MOST_OPERATORS: usize = 4_000;

/// A position as the grammar tells it: line and column, both from 1.
type Place = (u64, u64);

/// What hides the text within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hidden {
    LineComment,
    Comment,
    String,
    Name,
    DollarString,
}

/// See the module.
pub(super) struct Scanned {
    /// What hides text, and from where to where: of a string from its quote, without a letter before it.
    hidden: Vec<(Hidden, Place, Place)>,
    /// How many pieces there are that may be a level of a tree.
    pub(super) operators: usize,
}

struct Scanner<'a> {
    rest: std::iter::Peekable<std::str::Chars<'a>>,
    place: Place,
}

impl Scanner<'_> {
    fn next(&mut self) -> Option<char> {
        let c = self.rest.next()?;
        self.place = if c == '\n' { (self.place.0 + 1, 1) } else { (self.place.0, self.place.1 + 1) };
        Some(c)
    }

    fn peek(&mut self) -> Option<char> {
        self.rest.peek().copied()
    }

    fn peek_second(&self) -> Option<char> {
        self.rest.clone().nth(1)
    }

    /// Past the end of what is quoted by `quote`, which is doubled within; `escapes`: a backslash takes the next along.
    fn quoted(&mut self, quote: char, escapes: bool) -> Option<()> {
        self.next();
        loop {
            match self.next()? {
                '\\' if escapes => {
                    self.next();
                }
                c if c == quote => {
                    if self.peek() != Some(quote) {
                        return Some(());
                    }
                    self.next();
                }
                _ => {}
            }
        }
    }

    /// Past the end of a comment; comments nest.
    fn comment(&mut self) -> Option<()> {
        let mut depth = 0_usize;
        loop {
            match (self.next()?, self.peek()) {
                ('/', Some('*')) => {
                    self.next();
                    depth += 1;
                }
                ('*', Some('/')) => {
                    self.next();
                    depth -= 1;
                    if depth == 0 {
                        return Some(());
                    }
                }
                _ => {}
            }
        }
    }

    /// The tag behind a dollar sign, with both dollars, if it begins a string.
    fn dollar_tag(&self) -> Option<String> {
        let mut tag = String::from("$");
        for c in self.rest.clone().skip(1) {
            tag.push(c);
            match c {
                '$' => return Some(tag),
                c if is_word(c) && c != '$' && !(tag.len() == 2 && c.is_ascii_digit()) => {}
                _ => return None,
            }
        }
        None
    }

    fn dollar_string(&mut self, tag: &str) -> Option<()> {
        for _ in tag.chars() {
            self.next();
        }
        loop {
            // The second dollar of what is no end may begin the end.
            let ends = self.rest.clone().take(tag.chars().count()).eq(tag.chars());
            if ends {
                for _ in tag.chars() {
                    self.next();
                }
                return Some(());
            }
            self.next()?;
        }
    }

    fn word(&mut self) -> String {
        let mut word = String::new();
        while let Some(c) = self.peek().filter(|c| is_word(*c)) {
            word.push(c);
            self.next();
        }
        word
    }
}

fn is_word_start(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || !c.is_ascii()
}

fn is_word(c: char) -> bool {
    is_word_start(c) || c.is_ascii_digit() || c == '$'
}

/// Finds what hides text.
///
/// # Errors
///
/// It is too large, does not end, or holds what the grammar might read otherwise.
pub(super) fn scan(text: &str) -> Result<Scanned, String> {
    if text.len() > LONGEST {
        return Err(format!("the statement has {} bytes; at most {LONGEST} are read", text.len()));
    }
    let mut scanner = Scanner { rest: text.chars().peekable(), place: (1, 1) };
    let mut scanned = Scanned { hidden: Vec::new(), operators: 0 };
    let (mut pieces, mut depth) = (0_usize, 0_usize);
    while let Some(c) = scanner.peek() {
        let begin = scanner.place;
        let second = scanner.peek_second();
        pieces += 1;
        if pieces > MOST_PIECES {
            return Err(format!("the statement has more than {MOST_PIECES} words; give values as parameters"));
        }
        if scanned.operators > MOST_OPERATORS {
            return Err(format!("the statement has more than {MOST_OPERATORS} operators; give values as parameters"));
        }
        let (what, done) = match (c, second) {
            ('-', Some('-')) => {
                while scanner.peek().is_some_and(|c| c != '\n' && c != '\r') {
                    scanner.next();
                }
                (Hidden::LineComment, Some(()))
            }
            ('/', Some('*')) => (Hidden::Comment, scanner.comment()),
            ('\'', _) => (Hidden::String, scanner.quoted('\'', false)),
            ('"', _) => (Hidden::Name, scanner.quoted('"', false)),
            ('$', _) => match scanner.dollar_tag() {
                Some(tag) => (Hidden::DollarString, scanner.dollar_string(&tag)),
                None => {
                    scanner.next();
                    continue;
                }
            },
            (c, _) if !c.is_ascii() && (c.is_whitespace() || c.is_control()) => {
                return Err(format!("the character U+{:04X} stands outside of a string", u32::from(c)));
            }
            (c, _) if is_word_start(c) => {
                let word = scanner.word();
                scanned.operators += usize::from(joins(&word));
                match (word.as_str(), scanner.peek()) {
                    ("e" | "E", Some('\'')) => {
                        let begin = scanner.place;
                        let done = scanner.quoted('\'', true);
                        scanned.end(Hidden::String, begin, scanner.place, done)?;
                    }
                    ("u" | "U", Some('&')) if scanner.peek_second() == Some('"') => {
                        return Err("names written U&\"…\" are not read; write the characters themselves".into());
                    }
                    _ => {}
                }
                continue;
            }
            (c, _) if c.is_ascii_digit() => {
                while scanner.peek().is_some_and(|c| c.is_ascii_digit()) {
                    scanner.next();
                }
                continue;
            }
            (c, _) if c.is_control() && !c.is_ascii_whitespace() => {
                return Err(format!("the character U+{:04X} stands outside of a string", u32::from(c)));
            }
            (c, _) => {
                scanned.operators += usize::from("+-*/<>=~!@#%^&|`?:[".contains(c));
                match c {
                    '(' | '[' => depth += 1,
                    ')' | ']' => depth = depth.saturating_sub(1),
                    _ => {}
                }
                if depth > DEEPEST {
                    return Err(format!("parentheses are nested more than {DEEPEST} deep"));
                }
                pieces -= usize::from(c.is_whitespace());
                scanner.next();
                continue;
            }
        };
        scanned.end(what, begin, scanner.place, done)?;
    }
    Ok(scanned)
}

/// Whether a word may make a level of a tree, as an operator does.
fn joins(word: &str) -> bool {
    word.len() <= 9
        && matches!(
            word.to_ascii_lowercase().as_str(),
            "and"
                | "or"
                | "is"
                | "isnull"
                | "notnull"
                | "in"
                | "like"
                | "ilike"
                | "similar"
                | "between"
                | "collate"
                | "at"
                | "union"
                | "intersect"
                | "except"
                | "join"
                | "overlaps"
                | "not"
                | "operator"
                | "from"
        )
}

impl Scanned {
    fn end(&mut self, what: Hidden, begin: Place, end: Place, done: Option<()>) -> Result<(), String> {
        done.ok_or_else(|| format!("what begins at line {}, column {} has no end", begin.0, begin.1))?;
        self.hidden.push((what, begin, end));
        Ok(())
    }

    /// Whether the grammar's tokens hide the same.
    ///
    /// # Errors
    ///
    /// They do not.
    pub(super) fn agrees(&self, tokens: &[TokenWithSpan]) -> Result<(), String> {
        let mut ours = self.hidden.iter();
        for TokenWithSpan { token, span } in tokens {
            let (what, before) = match token {
                Token::Whitespace(Whitespace::SingleLineComment { .. }) => (Hidden::LineComment, 0),
                Token::Whitespace(Whitespace::MultiLineComment(_)) => (Hidden::Comment, 0),
                Token::SingleQuotedString(_) => (Hidden::String, 0),
                Token::EscapedStringLiteral(_)
                | Token::NationalStringLiteral(_)
                | Token::HexStringLiteral(_)
                | Token::SingleQuotedByteStringLiteral(_) => (Hidden::String, 1),
                Token::UnicodeStringLiteral(_) => (Hidden::String, 2),
                Token::DollarQuotedString(_) => (Hidden::DollarString, 0),
                Token::Word(word) => match word.quote_style {
                    Some('"') => (Hidden::Name, 0),
                    None => continue,
                    Some(_) => return Err(uncertain(span.start.line, span.start.column)),
                },
                Token::DoubleQuotedString(_)
                | Token::TripleSingleQuotedString(_)
                | Token::TripleDoubleQuotedString(_)
                | Token::DoubleQuotedByteStringLiteral(_)
                | Token::TripleSingleQuotedByteStringLiteral(_)
                | Token::TripleDoubleQuotedByteStringLiteral(_)
                | Token::SingleQuotedRawStringLiteral(_)
                | Token::DoubleQuotedRawStringLiteral(_)
                | Token::TripleSingleQuotedRawStringLiteral(_)
                | Token::TripleDoubleQuotedRawStringLiteral(_)
                | Token::QuoteDelimitedStringLiteral(_)
                | Token::NationalQuoteDelimitedStringLiteral(_)
                | Token::CopyData { .. } => return Err(uncertain(span.start.line, span.start.column)),
                _ => continue,
            };
            let theirs = (what, (span.start.line, span.start.column + before), (span.end.line, span.end.column));
            if ours.next() != Some(&theirs) {
                return Err(uncertain(span.start.line, span.start.column));
            }
        }
        match ours.next() {
            None => Ok(()),
            Some((_, begin, _)) => Err(uncertain(begin.0, begin.1)),
        }
    }
}

fn uncertain(line: u64, column: u64) -> String {
    format!("what stands at line {line}, column {column} can be read in two ways: write it with spaces between")
}
