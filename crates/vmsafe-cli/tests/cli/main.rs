//! The utility as its users meet it: exit codes, streams, JSON.

mod burn;
mod doctor;
mod machine;
mod pages;
mod run;
mod scan;
mod secrecy;
mod streams;
mod windows;
