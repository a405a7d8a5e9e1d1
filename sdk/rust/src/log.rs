//! Log lines, kept with the run.
//!
//! ```
//! # fn f(number: u64) {
//! use jackfield::log;
//!
//! log::info!("opened issue {number}");
//! log::warn!(number, repository = "acme/app"; "no label given");
//! # }
//! ```
//!
//! With the feature `log`, what libraries say through the `log` crate arrives here too.

use std::fmt;

use crate::bindings::jackfield::plugin::log as host;

/// How important a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Step by step.
    Trace,
    /// For whoever looks for a fault.
    Debug,
    /// Worth knowing.
    Info,
    /// Not as it should be.
    Warn,
    /// Failed.
    Error,
}

/// Writes one line with attributes. The macros of this module are the usual way.
pub fn write(level: Level, message: impl fmt::Display, attributes: &[(&str, &dyn fmt::Display)]) {
    let level = match level {
        Level::Trace => host::Level::Trace,
        Level::Debug => host::Level::Debug,
        Level::Info => host::Level::Info,
        Level::Warn => host::Level::Warn,
        Level::Error => host::Level::Error,
    };
    let attributes: Vec<_> = attributes.iter().map(|(name, value)| ((*name).to_owned(), value.to_string())).collect();
    host::write(level, &message.to_string(), &attributes);
}

#[doc(hidden)]
#[macro_export]
macro_rules! __log {
    ($level:ident, $($name:ident $(= $value:expr)?),+ ; $($message:tt)+) => {
        $crate::log::write(
            $crate::log::Level::$level,
            ::core::format_args!($($message)+),
            &[$((::core::stringify!($name), &$crate::__log_value!($name $(= $value)?))),+],
        )
    };
    ($level:ident, $($message:tt)+) => {
        $crate::log::write($crate::log::Level::$level, ::core::format_args!($($message)+), &[])
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __log_value {
    ($name:ident) => {
        $name
    };
    ($name:ident = $value:expr) => {
        $value
    };
}

macro_rules! levels {
    ($($(#[$doc:meta])* $name:ident $hidden:ident $level:ident;)*) => {$(
        levels!(@one ($) $(#[$doc])* $name $hidden $level);
    )*};
    (@one ($dollar:tt) $(#[$doc:meta])* $name:ident $hidden:ident $level:ident) => {
        $(#[$doc])*
        ///
        /// Takes what `format!` takes; attributes may come first, ended by `;`.
        #[doc(hidden)]
        #[macro_export]
        macro_rules! $hidden {
            ($dollar($dollar line:tt)+) => { $dollar crate::__log!($level, $dollar($dollar line)+) };
        }
        #[doc(inline)]
        pub use $hidden as $name;
    };
}

levels! {
    /// Step by step.
    trace __trace Trace;
    /// For whoever looks for a fault.
    debug __debug Debug;
    /// Worth knowing.
    info __info Info;
    /// Not as it should be.
    warn __warn Warn;
    /// Failed.
    error __error Error;
}

/// Hands what comes through the `log` crate on to the run's log.
#[cfg(feature = "log")]
pub(crate) fn install() {
    struct Facade;

    impl ::log::Log for Facade {
        fn enabled(&self, _: &::log::Metadata<'_>) -> bool {
            true
        }

        fn log(&self, record: &::log::Record<'_>) {
            let level = match record.level() {
                ::log::Level::Trace => Level::Trace,
                ::log::Level::Debug => Level::Debug,
                ::log::Level::Info => Level::Info,
                ::log::Level::Warn => Level::Warn,
                ::log::Level::Error => Level::Error,
            };
            let target = record.target();
            write(level, record.args(), &[("target", &target)]);
        }

        fn flush(&self) {}
    }

    // An error means that the handler's own code installed another logger: theirs stays.
    if ::log::set_logger(&Facade).is_ok() {
        ::log::set_max_level(::log::LevelFilter::Trace);
    }
}
