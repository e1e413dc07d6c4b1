package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// overSSE opens streams of server-sent events, each on a connection of its own.
func overSSE(p plan) *watchers {
	client := &http.Client{Transport: &http.Transport{DisableCompression: true}}
	return &watchers{
		plan:   p,
		open:   func(_ int, token string, told func(int64)) error { return readEvents(client, p.target, token, told) },
		record: func() error { return errors.New("the gateway records nothing") },
	}
}

func readEvents(client *http.Client, target, token string, told func(int64)) error {
	request, err := http.NewRequest(http.MethodGet, "http://"+target+"/v1/unread/stream", nil)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", response.StatusCode)
	}
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		data, isData := strings.CutPrefix(lines.Text(), "data: ")
		if !isData {
			continue
		}
		var state struct{ Head int64 }
		if err := json.Unmarshal([]byte(data), &state); err != nil {
			return err
		}
		told(state.Head)
	}
	return errors.Join(lines.Err(), io.EOF)
}
