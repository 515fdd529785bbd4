//! The ASM rule book of a track: which of its rules (bit rates) a player with so much bandwidth takes.
//!
//! `#($Bandwidth >= 20000) && ($Bandwidth < 34000),AverageBandwidth=20000,Priority=5;` and so on: rules end with a semicolon, each
//! may begin with a condition. What cannot be understood holds, so that a stream is not silenced by a rule of another age.

/// Rules of a book that are looked at.
pub const MAX_RULES: usize = 256;
/// Parentheses inside parentheses.
const MAX_DEPTH: usize = 16;

/// The rules that hold at this many bits per second, by their numbers.
pub fn rules_for(book: &str, bandwidth: u32) -> Vec<usize> {
    let rules = book.trim().trim_matches('"').split(';').map(str::trim);
    let holds = |rule: &str| match rule.strip_prefix('#') {
        Some(condition) => {
            let mut parser = Parser { rest: condition, bandwidth: bandwidth.into() };
            parser.either(MAX_DEPTH).is_none_or(|value| value != 0)
        }
        None => true,
    };
    // The last semicolon ends a rule and begins none.
    let rules = rules.enumerate().take(MAX_RULES).filter(|(_, rule)| !rule.is_empty());
    rules.filter(|(_, rule)| holds(rule)).map(|(number, _)| number).collect()
}

/// Evaluates a condition; `None` where it cannot be understood.
struct Parser<'a> {
    rest: &'a str,
    bandwidth: u64,
}

impl Parser<'_> {
    fn eat(&mut self, token: &str) -> bool {
        let rest = self.rest.trim_start().strip_prefix(token);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn either(&mut self, depth: usize) -> Option<u64> {
        let mut value = self.both(depth)?;
        while self.eat("||") {
            let other = self.both(depth)?;
            value = u64::from(value != 0 || other != 0);
        }
        Some(value)
    }

    fn both(&mut self, depth: usize) -> Option<u64> {
        let mut value = self.comparison(depth)?;
        while self.eat("&&") {
            let other = self.comparison(depth)?;
            value = u64::from(value != 0 && other != 0);
        }
        Some(value)
    }

    fn comparison(&mut self, depth: usize) -> Option<u64> {
        type Holds = fn(&u64, &u64) -> bool;
        /// Longer ones first.
        const OPERATORS: [(&str, Holds); 7] = [
            ("<=", u64::le),
            (">=", u64::ge),
            ("==", u64::eq),
            ("!=", u64::ne),
            ("<", u64::lt),
            (">", u64::gt),
            ("=", u64::eq),
        ];
        let left = self.value(depth)?;
        for (token, holds) in OPERATORS {
            if self.eat(token) {
                let right = self.value(depth)?;
                return Some(u64::from(holds(&left, &right)));
            }
        }
        Some(left)
    }

    fn value(&mut self, depth: usize) -> Option<u64> {
        if self.eat("(") {
            let value = self.either(depth.checked_sub(1)?)?;
            return self.eat(")").then_some(value);
        }
        let variable = self.eat("$");
        let rest = self.rest.trim_start();
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        let (word, rest) = rest.split_at(end);
        self.rest = rest;
        match word {
            // $OldPNMPlayer and others: we are none.
            name if variable => Some(if name.eq_ignore_ascii_case("Bandwidth") { self.bandwidth } else { 0 }),
            number => number.parse().ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BOOK: &str = "\"#($Bandwidth < 67959),TimestampDelivery=T,DropByN=T,priority=9;\
        #($Bandwidth >= 67959) && ($Bandwidth < 167959),AverageBandwidth=67959,Priority=9;\
        #($Bandwidth >= 67959) && ($Bandwidth < 167959),AverageBandwidth=0,Priority=5,OnDepend=\\\"1\\\";\
        #($Bandwidth >= 167959),AverageBandwidth=167959,Priority=9;\"";

    #[test]
    fn the_rules_of_a_bandwidth_hold() {
        assert_eq!(rules_for(BOOK, 20_000), [0]);
        assert_eq!(rules_for(BOOK, 67_959), [1, 2]);
        assert_eq!(rules_for(BOOK, 10_485_800), [3]);
        assert_eq!(rules_for("AverageBandwidth=8000,Priority=5;AverageBandwidth=0,Priority=5;", 1), [0, 1]);
        assert_eq!(rules_for("#(($Bandwidth > 5) || ($OldPNMPlayer)) && (1 != 2),a=b;", 6), [0]);
        assert_eq!(rules_for("#($OldPNMPlayer),a=b;#!,c=d;", 6), [1], "what cannot be understood holds");
        assert_eq!(rules_for("", 6), [0_usize; 0]);
    }

    #[test]
    fn nesting_has_an_end() {
        let deep = format!("#{}1{};", "(".repeat(100_000), ")".repeat(100_000));
        assert_eq!(rules_for(&deep, 1), [0]);
    }

    proptest! {
        #[test]
        fn any_book_has_bounded_rules(book in "[#$Bandwith0-9<>=&|(); ]{0,200}", bandwidth: u32) {
            prop_assert!(rules_for(&book, bandwidth).len() <= MAX_RULES);
        }
    }
}
