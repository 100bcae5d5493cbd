//! A sorted set for what comes and goes nearly in order: requests by number or deadline, workers by how long they are idle.
//!
//! # How it works
//! A ring of items. What belongs at one of its ends goes there and leaves from there at once; anything else is found by
//! halving, and the shorter side moves. With a tree each of these steps would be a walk through nodes.
//!
//! # Rules
//! Pure. For thousands of small items, not for millions: one in the middle moves up to half of them.

use std::collections::VecDeque;

/// Items in order, each once.
#[derive(Clone, Debug)]
pub struct Sorted<T>(VecDeque<T>);

impl<T> Default for Sorted<T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<T: Ord> Sorted<T> {
    /// Puts an item to its place.
    pub fn insert(&mut self, item: T) {
        if self.0.back().is_none_or(|last| *last < item) {
            return self.0.push_back(item);
        }
        if let Err(at) = self.0.binary_search(&item) {
            self.0.insert(at, item);
        }
    }

    /// Takes an item out, if it is there.
    pub fn remove(&mut self, item: &T) {
        if self.0.front() == Some(item) {
            self.0.pop_front();
        } else if self.0.back() == Some(item) {
            self.0.pop_back();
        } else if let Ok(at) = self.0.binary_search(item) {
            self.0.remove(at);
        }
    }

    /// Takes one out, where it was in, and puts another one in, where it is to be.
    pub fn replace(&mut self, before: Option<T>, after: Option<T>) {
        if let Some(before) = before {
            self.remove(&before);
        }
        if let Some(after) = after {
            self.insert(after);
        }
    }

    /// The first one.
    #[must_use]
    pub fn first(&self) -> Option<&T> {
        self.0.front()
    }

    /// Takes the first one out.
    pub fn pop_first(&mut self) -> Option<T> {
        self.0.pop_front()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn whatever_comes_and_goes_it_is_what_a_tree_is() {
        let (mut sorted, mut tree) = (Sorted::default(), BTreeSet::new());
        let mut random = 1_u32;
        for _ in 0..10_000 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let item = random >> 25;
            match random >> 8 & 7 {
                0..4 => {
                    sorted.insert(item);
                    tree.insert(item);
                }
                4..7 => {
                    sorted.remove(&item);
                    tree.remove(&item);
                }
                _ => assert_eq!(sorted.pop_first(), tree.pop_first()),
            }
            assert!(sorted.iter().eq(tree.iter()), "{sorted:?} {tree:?}");
            assert_eq!((sorted.first(), sorted.is_empty()), (tree.first(), tree.is_empty()));
        }
    }
}
