//! Options and operands. A verb says which it takes; its help and its parser read the same words.

use std::str::FromStr;

use crate::failure::Failure;

/// An option of a verb.
#[derive(Debug)]
pub(crate) struct Flag {
    /// Without the two dashes.
    pub(crate) name: &'static str,
    pub(crate) takes: Takes,
    pub(crate) help: &'static str,
}

/// What an option takes: what its value is called.
#[derive(Debug)]
pub(crate) enum Takes {
    /// It is there or not.
    Nothing,
    /// It is given once.
    One(&'static str),
    /// It may be given again and again.
    Many(&'static str),
}

impl Flag {
    /// What its value is called, if it takes one.
    pub(crate) fn value(&self) -> Option<&'static str> {
        match self.takes {
            Takes::Nothing => None,
            Takes::One(called) | Takes::Many(called) => Some(called),
        }
    }
}

/// What a verb takes.
#[derive(Debug)]
pub(crate) struct Syntax {
    /// One word an operand; a word in brackets may be left out, and one with three dots behind it stands for as many as are given.
    pub(crate) operands: &'static str,
    pub(crate) options: &'static [&'static Flag],
}

/// What was given to a verb, and is of its syntax.
#[derive(Debug)]
pub(crate) struct Given {
    operands: Vec<String>,
    options: Vec<(&'static str, String)>,
}

impl Syntax {
    /// Options stand before, between and after operands; what follows `--` is operands.
    pub(crate) fn parse(&self, words: &[String]) -> Result<Given, Failure> {
        self.parse_words(words).map_err(Failure::usage)
    }

    fn parse_words(&self, words: &[String]) -> Result<Given, String> {
        let mut given = Given { operands: Vec::new(), options: Vec::new() };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match word.strip_prefix("--") {
                Some("") => given.operands.extend(words.by_ref().cloned()),
                Some(option) => self.parse_option(option, &mut words, &mut given)?,
                None if word.len() > 1 && word.starts_with('-') => {
                    return Err(format!("there is no option {word}; before a text that begins with a dash, write --"));
                }
                None => given.operands.push(word.clone()),
            }
        }
        self.check_operands(&given)?;
        Ok(given)
    }

    fn parse_option<'a>(
        &self,
        option: &str,
        words: &mut impl Iterator<Item = &'a String>,
        given: &mut Given,
    ) -> Result<(), String> {
        let (name, attached) = match option.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (option, None),
        };
        let flag =
            self.options.iter().find(|flag| flag.name == name).ok_or_else(|| format!("there is no option --{name}"))?;
        if given.value(flag).is_some() && !matches!(flag.takes, Takes::Many(_)) {
            return Err(format!("--{name} is given twice"));
        }
        let value = match (flag.value(), attached) {
            (None, None) => String::new(),
            (None, Some(_)) => return Err(format!("--{name} takes no value")),
            (Some(_), Some(value)) => value,
            (Some(called), None) => {
                words.next().cloned().ok_or_else(|| format!("--{name} needs a value: --{name} {called}"))?
            }
        };
        given.options.push((flag.name, value));
        Ok(())
    }

    fn check_operands(&self, given: &Given) -> Result<(), String> {
        let mut expected = self.operands.split_whitespace();
        let mut operands = given.operands.iter();
        loop {
            match (expected.next(), operands.next()) {
                (Some(name), Some(_)) if name.ends_with("...") => return Ok(()),
                (Some(_), Some(_)) => {}
                (Some(name), None) if name.starts_with('[') => return Ok(()),
                (Some(name), None) => return Err(format!("{name} is missing")),
                (None, Some(word)) => return Err(format!("\"{word}\" is one argument too many")),
                (None, None) => return Ok(()),
            }
        }
    }
}

impl Given {
    /// The operand at this place, if it was given; the parser made sure of those that are required.
    pub(crate) fn operand(&self, place: usize) -> Option<&str> {
        self.operands.get(place).map(String::as_str)
    }

    /// All operands.
    pub(crate) fn operands(&self) -> impl Iterator<Item = &str> {
        self.operands.iter().map(String::as_str)
    }

    /// An operand that the syntax requires.
    pub(crate) fn required(&self, place: usize) -> &str {
        self.operand(place).expect("the syntax of the verb requires this operand")
    }

    pub(crate) fn has(&self, flag: &Flag) -> bool {
        self.value(flag).is_some()
    }

    pub(crate) fn value(&self, flag: &Flag) -> Option<&str> {
        self.values(flag).next()
    }

    /// In the order in which they were given.
    pub(crate) fn values(&self, flag: &Flag) -> impl Iterator<Item = &str> {
        self.options.iter().filter(|(name, _)| *name == flag.name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn number<N: FromStr>(&self, flag: &Flag) -> Result<Option<N>, Failure> {
        self.value(flag).map(|text| number(&format!("--{}", flag.name), text)).transpose()
    }

    /// What one of a few words stands for.
    pub(crate) fn choice<T: Copy>(&self, flag: &Flag, choices: &[(&str, T)]) -> Result<Option<T>, Failure> {
        self.value(flag).map(|text| choice(&format!("--{}", flag.name), text, choices)).transpose()
    }
}

/// A number that stands for what is called `name`.
pub(crate) fn number<N: FromStr>(name: &str, text: &str) -> Result<N, Failure> {
    text.parse().map_err(|_| Failure::usage(format!("{name}: \"{text}\" is no number that it could have")))
}

/// What one of a few words stands for.
pub(crate) fn choice<T: Copy>(name: &str, text: &str, choices: &[(&str, T)]) -> Result<T, Failure> {
    choices.iter().find(|(word, _)| *word == text).map(|(_, value)| *value).ok_or_else(|| {
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        Failure::usage(format!("{name}: \"{text}\" is none of: {}", words.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: Flag = Flag { name: "log", takes: Takes::One("PATH"), help: "" };
    const JSON: Flag = Flag { name: "json", takes: Takes::Nothing, help: "" };
    const KEY: Flag = Flag { name: "key", takes: Takes::Many("KEY"), help: "" };
    const SYNTAX: Syntax = Syntax { operands: "STREAM [TEXT|-]", options: &[&LOG, &JSON, &KEY] };

    fn parse(words: &[&str]) -> Result<Given, String> {
        SYNTAX.parse_words(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn options_stand_anywhere_and_have_two_spellings() {
        for words in [["--log", "a", "s", "t"].as_slice(), &["s", "--log=a", "t"], &["s", "t", "--log", "a"]] {
            let given = parse(words).unwrap();
            assert_eq!((given.required(0), given.operand(1)), ("s", Some("t")));
            assert_eq!((given.value(&LOG), given.has(&JSON)), (Some("a"), false));
        }
        assert_eq!(parse(&["s", "--log="]).unwrap().value(&LOG), Some(""));
        assert_eq!(parse(&["s", "--log", "--json"]).unwrap().value(&LOG), Some("--json"));
        assert!(parse(&["--json", "s", "-"]).unwrap().has(&JSON));
    }

    #[test]
    fn an_option_that_may_be_repeated_keeps_its_order() {
        let given = parse(&["--key", "a", "s", "--key=b"]).unwrap();
        assert_eq!(given.values(&KEY).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(parse(&["s"]).unwrap().values(&KEY).count(), 0);
        assert_eq!(parse(&["s", "--key"]).unwrap_err(), "--key needs a value: --key KEY");
    }

    #[test]
    fn after_two_dashes_all_is_operands() {
        let given = parse(&["--json", "--", "--log", "-x"]).unwrap();
        assert_eq!((given.required(0), given.operand(1), given.has(&LOG)), ("--log", Some("-x"), false));
        assert_eq!(parse(&["s", "--", "--"]).unwrap().operand(1), Some("--"));
    }

    #[test]
    fn the_last_operand_may_stand_for_many() {
        let syntax = Syntax { operands: "FILE...", options: &[&JSON] };
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let given = syntax.parse_words(&words(&["a", "--json", "b", "c"])).unwrap();
        assert_eq!(given.operands().collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(syntax.parse_words(&[]).unwrap_err(), "FILE... is missing");
    }

    #[test]
    fn what_is_not_of_the_syntax_is_named() {
        for (words, error) in [
            ([].as_slice(), "STREAM is missing"),
            (&["s", "t", "u"], "\"u\" is one argument too many"),
            (&["s", "--lgo", "x"], "there is no option --lgo"),
            (&["s", "--log"], "--log needs a value: --log PATH"),
            (&["s", "--json=yes"], "--json takes no value"),
            (&["s", "--json", "--json"], "--json is given twice"),
            (&["s", "-v"], "there is no option -v; before a text that begins with a dash, write --"),
        ] {
            assert_eq!(parse(words).unwrap_err(), error);
        }
    }

    #[test]
    fn numbers_and_words_are_checked() {
        assert_eq!(parse(&["s", "--log", "7"]).unwrap().number::<u64>(&LOG).unwrap(), Some(7));
        assert_eq!(parse(&["s"]).unwrap().number::<u64>(&LOG).unwrap(), None);
        for wrong in ["-1", "", "7x", "18446744073709551616"] {
            assert!(number::<u64>("SEQNO", wrong).is_err(), "{wrong}");
        }
        assert_eq!(choice("SUITE", "b", &[("a", 1), ("b", 2)]).unwrap(), 2);
        let failure = choice("SUITE", "c", &[("a", 1), ("b", 2)]).unwrap_err();
        assert_eq!(failure.what, "SUITE: \"c\" is none of: a, b");
    }
}
