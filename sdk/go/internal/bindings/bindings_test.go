// Package bindings holds what is generated from the contract in wit/.
package bindings

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

func TestTheBindingsAreThoseOfTheContract(t *testing.T) {
	if _, err := os.Stat("../../../../wit/world.wit"); err != nil {
		t.Skip("the contract is not here: this is the module alone")
	}
	made, err := os.ReadFile("wit.sha256")
	if err != nil {
		t.Fatal(err)
	}
	now, err := exec.Command("./digest").Output()
	if err != nil {
		t.Fatal(err)
	}
	if strings.TrimSpace(string(made)) != strings.TrimSpace(string(now)) {
		t.Error("wit/ changed since the bindings were made: run sdk/go/internal/bindings/generate")
	}
}
