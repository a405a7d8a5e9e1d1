// Says hello to whoever the event names. In C, against the contract alone: there is no SDK.

#include <stdlib.h>
#include <string.h>

#include "component.h"

// The rest of a JSON text that is being read.
typedef struct {
    const uint8_t *at;
    const uint8_t *end;
} text_t;

static void skip_space(text_t *text) {
    while (text->at < text->end && strchr(" \t\r\n", *text->at) != NULL) text->at++;
}

static bool take(text_t *text, char wanted) {
    skip_space(text);
    if (text->at == text->end || *text->at != (uint8_t)wanted) return false;
    text->at++;
    return true;
}

// Reads a string with its quotes, as it is written.
static bool string(text_t *text, component_string_t *found) {
    skip_space(text);
    found->ptr = (uint8_t *)text->at;
    if (!take(text, '"')) return false;
    while (text->at < text->end && *text->at != '"') {
        if (*text->at < 0x20) return false;
        text->at += *text->at == '\\' ? 2 : 1;
    }
    if (text->at >= text->end) return false;
    text->at++;
    found->len = (size_t)(text->at - found->ptr);
    return true;
}

// Skips a value of any kind. Brackets are counted, not matched: the sender's JSON is not checked here.
static bool skip_value(text_t *text) {
    int depth = 0;
    do {
        component_string_t ignored;
        skip_space(text);
        if (text->at == text->end) return false;
        switch (*text->at) {
        case '"':
            if (!string(text, &ignored)) return false;
            break;
        case '{':
        case '[':
            depth++;
            text->at++;
            break;
        case '}':
        case ']':
            depth--;
            text->at++;
            break;
        case ',':
        case ':':
            if (depth == 0) return false;
            text->at++;
            break;
        default:
            while (text->at < text->end && strchr(",:{}[]\" \t\r\n", *text->at) == NULL) text->at++;
        }
    } while (depth > 0);
    return depth == 0;
}

// Finds a text among the members of an object; its value is given with its quotes.
static bool member(component_list_u8_t data, const char *quoted_name, component_string_t *found) {
    text_t text = { data.ptr, data.ptr + data.len };
    component_string_t name;
    if (!take(&text, '{')) return false;
    do {
        if (!string(&text, &name) || !take(&text, ':')) return false;
        if (name.len == strlen(quoted_name) && memcmp(name.ptr, quoted_name, name.len) == 0) return string(&text, found);
        if (!skip_value(&text)) return false;
    } while (take(&text, ','));
    return false;
}

// Text of three parts, in memory of its own.
static component_string_t joined(const char *before, const uint8_t *middle, size_t length, const char *after) {
    size_t head = strlen(before), tail = strlen(after);
    component_string_t text = { malloc(head + length + tail), head + length + tail };
    if (text.ptr == NULL) abort();
    memcpy(text.ptr, before, head);
    memcpy(text.ptr + head, middle, length);
    memcpy(text.ptr + head + length, after, tail);
    return text;
}

bool exports_jackfield_plugin_handler_handle(exports_jackfield_plugin_handler_event_t *event,
                                             exports_jackfield_plugin_handler_option_output_t *ret,
                                             exports_jackfield_plugin_handler_failure_t *err) {
    component_string_t name;
    if (!member(event->data, "\"name\"", &name)) {
        err->tag = JACKFIELD_PLUGIN_TYPES_FAILURE_REJECTED;
        component_string_dup(&err->val.rejected, "the event's data has no text `name`");
        exports_jackfield_plugin_handler_event_free(event);
        return false;
    }

    component_string_t line = joined("greeting ", name.ptr + 1, name.len - 2, "");
    jackfield_plugin_log_attributes_t none = { NULL, 0 };
    jackfield_plugin_log_write(JACKFIELD_PLUGIN_LOG_LEVEL_INFO, &line, &none);
    component_string_free(&line);

    memset(ret, 0, sizeof *ret);
    ret->is_some = true;
    ret->val.content_type.is_some = true;
    component_string_dup(&ret->val.content_type.val, "application/json");
    // The name as the sender wrote it: it is JSON already.
    component_string_t answer = joined("{\"hello\":", name.ptr, name.len, "}");
    ret->val.data = (component_list_u8_t){ answer.ptr, answer.len };
    exports_jackfield_plugin_handler_event_free(event);
    return true;
}
