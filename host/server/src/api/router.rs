//! The routes, what surrounds all of them, and their description.
//!
//! From outside to inside: headers and logging of failures, panics, the time limit, the guard.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderName, HeaderValue, Method};
use jackfield_core::store::admin::Right;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, InfoBuilder, License, OpenApi, OpenApiBuilder, Ref, RefOr, ResponseBuilder};
use utoipa::{PartialSchema as _, ToSchema as _};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::error::{ApiError, Failed, PROBLEM_JSON, Problem, ProblemItem};
use super::state::{Api, Needs, Routes, Shared};
use super::{
    artifacts, audit, auth, backup, config, connections, dead_letters, decide, environments, export, jobs, logs,
    manual, master_key, notify, releases, runs, secrets, status, tokens, triggers, versions,
};
use crate::app::Host;

/// How long a request may take until its answer begins.
const LIMIT: Duration = Duration::from_secs(60);
/// The same, where code is uploaded or compiled, or the database copied.
const LONG_LIMIT: Duration = Duration::from_secs(15 * 60);
/// The routes of the long limit.
const LONG: [&str; 4] = [
    "/v1/artifacts",
    "/v1/environments/{environment}/releases",
    "/v1/environments/{environment}/releases/{integration}/rollback",
    "/v1/backup",
];

/// The admin API of `host`.
pub fn router(host: Arc<Host>) -> Router {
    let (router, _) = described();
    artifacts::clear_uploads(&host.config.data);
    surrounded(router, Shared::new(host, needs(description())))
}

/// The routes with all that surrounds them.
pub(super) fn surrounded(router: Router<Api>, api: Api) -> Router {
    router
        .fallback(async || ApiError::NotFound("path of that name; GET /openapi.json lists them".into()))
        .method_not_allowed_fallback(async || ApiError::Method(String::new()))
        .layer(from_fn_with_state(api.clone(), auth::guard))
        .layer(from_fn(in_time))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(api.clone(), finish))
        .with_state(api)
}

/// The committed description of the API: OpenAPI 3.1, as `GET /openapi.json` serves it.
#[must_use]
pub(super) fn openapi() -> String {
    // Strings, numbers and lists: writing them into memory cannot fail.
    let mut text = serde_json::to_string_pretty(description()).unwrap_or_default();
    text.push('\n');
    text
}

pub(super) fn description() -> &'static OpenApi {
    static DESCRIPTION: LazyLock<OpenApi> = LazyLock::new(|| described().1);
    &DESCRIPTION
}

/// Every route. What is not listed here is not there.
fn described() -> (Router<Api>, OpenApi) {
    let (router, mut openapi) = OpenApiRouter::with_openapi(frame())
        .routes(routes!(describe))
        .routes(routes!(auth::login))
        .routes(routes!(auth::whoami))
        .routes(routes!(status::status))
        .routes(routes!(status::release_hold))
        .routes(routes!(environments::list))
        .routes(routes!(notify::show, notify::set, notify::remove))
        .routes(routes!(artifacts::upload))
        .routes(routes!(artifacts::show))
        .routes(routes!(artifacts::content))
        .routes(routes!(releases::deploy, releases::list))
        .routes(routes!(releases::plan))
        .routes(routes!(releases::rollback))
        .routes(routes!(versions::list))
        .routes(routes!(versions::show))
        .routes(routes!(versions::diff))
        .routes(routes!(triggers::list))
        .routes(routes!(triggers::show))
        .routes(routes!(triggers::fire))
        .routes(routes!(manual::start))
        .routes(routes!(runs::list))
        .routes(routes!(runs::show))
        .routes(routes!(export::export))
        .routes(routes!(runs::cancel))
        .routes(routes!(decide::decide))
        .routes(routes!(logs::of_run))
        .routes(routes!(dead_letters::resume))
        .routes(routes!(dead_letters::list))
        .routes(routes!(dead_letters::discard))
        .routes(routes!(dead_letters::fresh))
        .routes(routes!(jobs::list, jobs::start))
        .routes(routes!(jobs::show))
        .routes(routes!(jobs::stop))
        .routes(routes!(logs::recent))
        .routes(routes!(logs::follow))
        .routes(routes!(connections::list))
        .routes(routes!(connections::show, connections::set, connections::remove))
        .routes(routes!(connections::test))
        .routes(routes!(connections::bindings))
        .routes(routes!(connections::bind))
        .routes(routes!(secrets::list))
        .routes(routes!(secrets::set, secrets::remove))
        .routes(routes!(master_key::rotate))
        .routes(routes!(config::list))
        .routes(routes!(config::set, config::remove))
        .routes(routes!(tokens::list, tokens::create))
        .routes(routes!(tokens::remove))
        .routes(routes!(audit::list))
        .routes(routes!(backup::backup))
        .split_for_parts();
    complete(&mut openapi);
    (router, openapi)
}

fn frame() -> OpenApi {
    let info = InfoBuilder::new()
        .title("Jackfield admin API")
        .version(crate::VERSION)
        .description(Some(
            "Everything the command line and the dashboard do. Times are RFC 3339 in UTC. The scopes of an operation's \
             `token` are the right it needs. An unknown id and one that is not yours are answered alike.",
        ))
        .license(Some(License::new("Apache-2.0")))
        .build();
    let mut openapi = OpenApiBuilder::new().info(info).build();
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("A token of this host, `jf_…`, with the rights `read`, `deploy`, `secrets` or `admin`."))
        .build();
    openapi.components.get_or_insert_default().add_security_scheme("token", SecurityScheme::Http(bearer));
    openapi
}

/// Every operation may answer a problem, and has a name of its own.
fn complete(openapi: &mut OpenApi) {
    let schemas = &mut openapi.components.get_or_insert_default().schemas;
    schemas.insert(Problem::name().into(), Problem::schema());
    schemas.insert(ProblemItem::name().into(), ProblemItem::schema());
    let content = ContentBuilder::new().schema(Some(RefOr::Ref(Ref::from_schema_name(Problem::name())))).build();
    let problem = ResponseBuilder::new().description("Why not").content(PROBLEM_JSON, content).build();
    for item in openapi.paths.paths.values_mut() {
        let operations = [&mut item.get, &mut item.put, &mut item.post, &mut item.delete];
        for operation in operations.into_iter().flatten() {
            for answer in operation.responses.responses.values_mut() {
                if let RefOr::T(answer) = answer
                    && answer.description.is_empty()
                {
                    "Done".clone_into(&mut answer.description);
                }
            }
            operation.responses.responses.insert("default".into(), RefOr::T(problem.clone()));
            // A handler is named for its file, the resource: outside, both make the name.
            let resource = operation.tags.iter().flatten().next().map(|tag| tag.replace(' ', "-"));
            let verb = operation.operation_id.take().map(|verb| verb.replace('_', "-"));
            operation.operation_id = resource.zip(verb).map(|(resource, verb)| format!("{resource}-{verb}"));
        }
    }
}

/// What each described route needs of its caller. A description without `security` is left out, and
/// the guard then does not serve it.
pub(super) fn needs(openapi: &OpenApi) -> Routes {
    let mut routes = Routes::new();
    for (path, item) in &openapi.paths.paths {
        let operations = [
            (Method::GET, &item.get),
            (Method::PUT, &item.put),
            (Method::POST, &item.post),
            (Method::DELETE, &item.delete),
        ];
        for (method, operation) in operations {
            let Some(security) = operation.as_ref().and_then(|o| o.security.as_ref()) else { continue };
            if let Some(needs) = security.iter().find_map(one_need) {
                routes.insert((method, path.clone()), needs);
            }
        }
    }
    routes
}

/// What one line of `security` says; nothing if it says something this host does not know.
fn one_need(security: &utoipa::openapi::security::SecurityRequirement) -> Option<Needs> {
    // The library keeps its parts to itself and shows them as JSON.
    let value = serde_json::to_value(security).ok()?;
    let schemes = value.as_object()?;
    if schemes.is_empty() {
        return Some(Needs::Nothing);
    }
    let scopes = schemes.get("token")?.as_array()?;
    match scopes.as_slice() {
        [] => Some(Needs::Token),
        [right] => serde_json::from_value::<Right>(right.clone()).ok().map(Needs::Right),
        _ => None,
    }
}

/// This description
#[utoipa::path(get, path = "/openapi.json", tag = "host", security(()), responses((status = 200, body = serde_json::Value)))]
async fn describe() -> Response {
    static TEXT: LazyLock<String> = LazyLock::new(openapi);
    ([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], TEXT.as_str()).into_response()
}

/// Ends a request that takes too long to be answered. Once its answer has begun it may go on.
async fn in_time(request: Request, next: Next) -> Response {
    let long = request.extensions().get::<MatchedPath>().is_some_and(|path| LONG.contains(&path.as_str()));
    let limit = if long { LONG_LIMIT } else { LIMIT };
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => ApiError::Timeout(limit).into_response(),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the signature the layer asks for")]
fn panicked(panic: Box<dyn std::any::Any + Send + 'static>) -> Response {
    let words = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    ApiError::internal(format!("a handler panicked: {}", words.unwrap_or("without words"))).into_response()
}

/// The outermost layer: sets the headers of every answer, gives a failure its id and logs its cause.
async fn finish(State(api): State<Api>, request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let path = jackfield_core::ids::shown(request.uri().path());
    let mut response = next.run(request).await;
    if let Some(Failed { mut problem, cause }) = response.extensions_mut().remove::<Failed>()
        && let Some(cause) = cause
    {
        let id = api.random_text::<9>("");
        tracing::error!(%id, %method, %path, code = problem.code, error = &**cause as &(dyn std::error::Error + 'static), "a request failed");
        problem.id = Some(id);
        *response.body_mut() = Body::from(problem.to_bytes());
    }
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// On every answer: it is data, it is nobody else's, and it is not to be kept.
const HEADERS: [(HeaderName, &str); 6] = [
    (CACHE_CONTROL, "no-store"),
    (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (REFERRER_POLICY, "no-referrer"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];
