package jackfield

import (
	"errors"
	"strings"
	"testing"
)

func TestASettingIsTextOrJSON(t *testing.T) {
	settings := map[string]string{"repository": "acme/app", "page": "20"}
	host := fake(t)
	host.configGet = func(name string) (string, bool, *refusal) {
		value, set := settings[name]
		return value, set, nil
	}
	host.configAll = func() (Attributes, *refusal) { return Attributes{{"page", "20"}}, nil }
	repository, err := Config.Require("repository")
	equal(t, repository, "acme/app")
	equal(t, err, nil)
	page := 100
	set, err := Config.JSON("page", &page)
	equal(t, set, true)
	equal(t, err, nil)
	equal(t, page, 20)
	set, err = Config.JSON("none", &page)
	equal(t, set, false)
	equal(t, err, nil)
	equal(t, page, 20)
	all, err := Config.All()
	equal(t, all["page"], "20")
	equal(t, err, nil)
}

func TestASettingThatMustBeThereIsWorthAnotherAttempt(t *testing.T) {
	host := fake(t)
	host.configGet = func(string) (string, bool, *refusal) { return "", false, nil }
	_, err := Config.Require("repository")
	f := failureOf(err)
	equal(t, f.name, "missing-setting")
	equal(t, f.retryable, true)
	host.configGet = func(string) (string, bool, *refusal) { return "", false, &refusal{kind: AccessDenied, text: "add it"} }
	_, err = Config.Require("repository")
	equal(t, errors.Is(err, AccessDenied), true)
}

func TestASettingThatDoesNotFitIsInvalid(t *testing.T) {
	fake(t).configGet = func(string) (string, bool, *refusal) { return "many", true, nil }
	var page int
	_, err := Config.JSON("page", &page)
	equal(t, errors.Is(err, Invalid), true)
	equal(t, strings.Contains(err.Error(), "the setting `page`"), true)
}
