package jackfield

import "fmt"

// Config is the settings of this integration in this environment.
//
// Secrets are not among them: they stay in the host, which adds them to the calls of a connection.
var Config Settings

// Settings are settings. See [Config].
type Settings struct{}

// Get gives a setting's value. False if the environment does not set it. Text is given as it is; a number, a boolean, a
// list or a table as JSON.
func (Settings) Get(name string) (string, bool, error) {
	if refused := textual(name); refused != nil {
		return "", false, refused.error("")
	}
	value, set, refused := hostConfigGet(name)
	if refused != nil {
		return "", false, refused.error("")
	}
	return value, set, nil
}

// Require gives a setting's value that must be there. If it is not, that is worth another attempt: somebody may set it
// meanwhile.
func (Settings) Require(name string) (string, error) {
	value, set, err := Config.Get(name)
	if err == nil && !set {
		text := fmt.Sprintf("the setting `%s` is not set here: set it with `jackfield config set`", name)
		err = newError(Other, text).Named("missing-setting")
	}
	return value, err
}

// JSON reads a setting that is a number, a boolean, a list or a table into what into points to. False if the
// environment does not set it; into is left as it was then.
func (Settings) JSON(name string, into any) (bool, error) {
	value, set, err := Config.Get(name)
	if !set || err != nil {
		return false, err
	}
	if err := decode([]byte(value), into); err != nil {
		return false, newError(Invalid, fmt.Sprintf("the setting `%s` does not fit: %s", name, err))
	}
	return true, nil
}

// All gives every granted setting that has a value, by name.
func (Settings) All() (map[string]string, error) {
	pairs, refused := hostConfigAll()
	if refused != nil {
		return nil, refused.error("")
	}
	settings := make(map[string]string, len(pairs))
	for _, pair := range pairs {
		settings[pair.Name] = pair.Value
	}
	return settings, nil
}
