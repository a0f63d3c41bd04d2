// Renders a Modelfile's template as Ollama does: Go's text/template over .Messages. Arguments: the template's
// file; standard input: a list of conversations as JSON; standard output: their texts.
package main

import (
	"encoding/json"
	"os"
	"strings"
	"text/template"
)

type message struct{ Role, Content string }

func main() {
	text, err := os.ReadFile(os.Args[1])
	check(err)
	var conversations [][]*message
	check(json.NewDecoder(os.Stdin).Decode(&conversations))
	parsed := template.Must(template.New("").Option("missingkey=zero").Parse(string(text)))
	texts := []string{}
	for _, messages := range conversations {
		var out strings.Builder
		check(parsed.Execute(&out, map[string]any{"Messages": messages, "Response": ""}))
		texts = append(texts, out.String())
	}
	check(json.NewEncoder(os.Stdout).Encode(texts))
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
