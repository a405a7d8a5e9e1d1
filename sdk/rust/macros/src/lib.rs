//! The attribute macro of the jackfield SDK: makes a function the handler of a component.

use proc_macro::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{FnArg, ItemFn, parse_macro_input};

/// Makes a function the handler of this component.
///
/// The function takes an `Event<T>` and, if it wants, a `Context`, and returns a `Result` whose `Ok` is
/// `Output`, `Option<Output>` or `()`. It may be `async`. A component has one handler.
#[proc_macro_attribute]
pub fn handler(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let attribute = proc_macro2::TokenStream::from(attribute);
    let function = parse_macro_input!(item as ItemFn);
    if let Err(problem) = check(&attribute, &function) {
        // The function itself stays, or its uses would be reported as further errors.
        let problem = problem.to_compile_error();
        return quote!(#problem #function).into();
    }
    let name = &function.sig.ident;
    let span = function.sig.ident.span();
    let arguments = if function.sig.inputs.len() == 2 { quote!(event, cx) } else { quote!(event) };
    let call = if function.sig.asyncness.is_some() {
        quote_spanned!(span => ::jackfield::__rt::block_on(#name(#arguments)))
    } else {
        quote_spanned!(span => #name(#arguments))
    };
    quote! {
        #function

        const _: () = {
            use ::jackfield::__rt::bindings::{self, exports, jackfield::plugin::types};

            struct Component;

            impl exports::jackfield::plugin::handler::Guest for Component {
                fn handle(
                    event: types::Event,
                ) -> ::core::result::Result<::core::option::Option<types::Output>, types::Failure> {
                    ::jackfield::__rt::handle(event, |event, cx| {
                        let _ = &cx;
                        #call
                    })
                }
            }

            // Elsewhere there is no host to be called by: tests of the handler's own parts build without it.
            #[cfg(target_family = "wasm")]
            bindings::export!(Component with_types_in bindings);
        };
    }
    .into()
}

fn check(attribute: &proc_macro2::TokenStream, function: &ItemFn) -> syn::Result<()> {
    let signature = &function.sig;
    let wrong = |span, text: &str| Err(syn::Error::new(span, text));
    if !attribute.is_empty() {
        return wrong(
            attribute.span(),
            "`handler` takes no arguments: what a component may do stands in jackfield.toml",
        );
    }
    if !signature.generics.params.is_empty() {
        return wrong(signature.generics.span(), "a handler is not generic: the host calls it with one type of event");
    }
    if let Some(FnArg::Receiver(this)) = signature.inputs.first() {
        return wrong(this.span(), "a handler is a function, not a method: every event meets a fresh instance");
    }
    if !matches!(signature.inputs.len(), 1 | 2) {
        return wrong(signature.inputs.span(), "a handler takes an `Event<T>` and, if it wants, a `Context`");
    }
    if matches!(signature.output, syn::ReturnType::Default) {
        return wrong(
            signature.ident.span(),
            "a handler returns a `Result`: `jackfield::Result<()>` if it has nothing to say",
        );
    }
    Ok(())
}
