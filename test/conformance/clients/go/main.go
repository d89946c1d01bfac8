// The feature table of features.ts with nats.go, over WebSocket. Run by foreign-clients.test.ts.
package main

import (
	"bufio"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

type credentials struct {
	Servers string `json:"servers"`
	Token   string `json:"token"`
	User    string `json:"user"`
	Pass    string `json:"pass"`
}

type config struct {
	URL     string      `json:"url"`
	Full    credentials `json:"full"`
	Limited credentials `json:"limited"`
	Wrong   credentials `json:"wrong"`
	Peer    credentials `json:"peer"`
}

var endpoint config
var input = bufio.NewReader(os.Stdin)

// failure ends one feature; see run.
type failure struct{ text string }

func fail(format string, args ...any) { panic(failure{fmt.Sprintf(format, args...)}) }

func check(err error) {
	if err != nil {
		fail("%v", err)
	}
}

func value[T any](result T, err error) T {
	check(err)
	return result
}

// testing has the connections of one feature, and their errors.
type testing struct {
	token       string
	mu          sync.Mutex
	connections []*nats.Conn
	errors      []string
}

func (t *testing) dial(address string, given credentials, options ...nats.Option) (*nats.Conn, error) {
	where := value(url.Parse(address))
	options = append(options,
		nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond), nats.Timeout(5*time.Second),
		// Before 1.53 the client takes no path from the URL.
		nats.ProxyPath(where.Path),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			t.mu.Lock()
			defer t.mu.Unlock()
			t.errors = append(t.errors, err.Error())
		}))
	if given.Token != "" {
		options = append(options, nats.Token(given.Token))
	} else if given.User != "" {
		options = append(options, nats.UserInfo(given.User, given.Pass))
	}
	return nats.Connect(address, options...)
}

func (t *testing) keep(connection *nats.Conn, err error) *nats.Conn {
	check(err)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.connections = append(t.connections, connection)
	return connection
}

func (t *testing) connect(options ...nats.Option) *nats.Conn {
	return t.keep(t.dial(endpoint.URL, endpoint.Full, options...))
}

func (t *testing) peer() *nats.Conn {
	return t.keep(t.dial(endpoint.Peer.Servers, endpoint.Peer))
}

func (t *testing) said() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]string{}, t.errors...)
}

// inbox gathers messages.
type inbox struct {
	mu       sync.Mutex
	messages []*nats.Msg
}

func (i *inbox) add(message *nats.Msg) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.messages = append(i.messages, message)
}

func (i *inbox) texts() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	texts := []string{}
	for _, message := range i.messages {
		texts = append(texts, string(message.Data))
	}
	return texts
}

func (i *inbox) wait(count int) {
	eventually(fmt.Sprintf("%d messages", count), func() bool { return len(i.texts()) >= count })
}

func eventually(what string, test func() bool) {
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if test() {
			return
		}
	}
	fail("waited in vain for %s", what)
}

func equal(actual, expected any) {
	if a, e := fmt.Sprintf("%q", actual), fmt.Sprintf("%q", expected); a != e {
		fail("expected %.300s, got %.300s", e, a)
	}
}

// control asks the test to do something to the endpoint, and waits until it is done.
func control(what string) {
	fmt.Printf("{\"do\":%q}\n", what)
	value(input.ReadString('\n'))
}

func run(name string, feature func(*testing)) (text string) {
	random := make([]byte, 6)
	value(rand.Read(random))
	t := &testing{token: "t" + hex.EncodeToString(random)}
	done := make(chan string, 1)
	go func() {
		defer func() {
			switch caught := recover().(type) {
			case nil:
				done <- ""
			case failure:
				done <- fmt.Sprintf("%s; errors of the connection: %q", caught.text, t.said())
			default:
				done <- fmt.Sprint(caught)
			}
		}()
		feature(t)
	}()
	select {
	case text = <-done:
	case <-time.After(30 * time.Second):
		text = "timed out"
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, connection := range t.connections {
		connection.Close()
	}
	return text
}

func main() {
	check(json.Unmarshal([]byte(os.Getenv("CONFIG")), &endpoint))
	for _, feature := range features {
		var text *string
		if failed := run(feature.name, feature.run); failed != "" {
			text = &failed
		}
		line := value(json.Marshal(map[string]any{"feature": feature.name, "error": text}))
		fmt.Println(string(line))
	}
}
