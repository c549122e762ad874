//! Runs `tests/it/handle_mutations.rs` as often as its one argument says, with
//! the codec alone.

extern crate self as idnode;

#[path = "../../../src/wire"]
pub mod wire {
    //! The codec, as the library has it.

    pub mod handle;
}

#[path = "../../it/support"]
mod support {
    //! What the test needs of the helpers of its like.

    mod chance;
    pub(crate) mod recorded;

    pub(crate) use chance::Chance;
}

#[path = "../../it/handle_mutations.rs"]
mod handle_mutations;

fn main() {
    let count = std::env::args().nth(1).and_then(|text| text.parse().ok());
    let count = count.expect("a number of mutations");
    println!("{:?}", handle_mutations::run(count));
}
