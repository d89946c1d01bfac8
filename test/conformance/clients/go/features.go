package main

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

func numbers(count int) []string {
	list := make([]string, count)
	for i := range list {
		list[i] = strconv.Itoa(i)
	}
	return list
}

func sorted(lists ...[]string) []string {
	all := []string{}
	for _, list := range lists {
		all = append(all, list...)
	}
	sort.Slice(all, func(i, j int) bool {
		a, _ := strconv.Atoi(all[i])
		b, _ := strconv.Atoi(all[j])
		return a < b
	})
	return all
}

func subscribe(connection *nats.Conn, filter string) *inbox {
	seen := &inbox{}
	value(connection.Subscribe(filter, seen.add))
	check(connection.Flush())
	return seen
}

func publish(connection *nats.Conn, subject string, texts ...string) {
	for _, text := range texts {
		check(connection.Publish(subject, []byte(text)))
	}
	check(connection.Flush())
}

func respond(connection *nats.Conn, subject string, answers ...string) {
	value(connection.Subscribe(subject, func(message *nats.Msg) {
		for _, answer := range answers {
			_ = message.Respond([]byte(answer + " " + string(message.Data)))
		}
	}))
	check(connection.Flush())
}

func ask(connection *nats.Conn, subject, text string) string {
	return string(value(connection.Request(subject, []byte(text), 3*time.Second)).Data)
}

func flagged(option nats.Option) func(*testing) {
	return func(t *testing) {
		connection, other := t.connect(option), t.peer()
		seen := subscribe(connection, t.token)
		respond(other, t.token+".ask", "yes")
		publish(connection, t.token, numbers(3)...)
		equal(ask(connection, t.token+".ask", "?"), "yes ?")
		seen.wait(3)
		equal(seen.texts(), numbers(3))
	}
}

func option(change func(*nats.Options)) nats.Option {
	return func(options *nats.Options) error {
		change(options)
		return nil
	}
}

func stream(t *testing) nats.JetStreamContext {
	context := value(t.connect().JetStream())
	value(context.AddStream(&nats.StreamConfig{Name: t.token, Subjects: []string{t.token + ".>"}}))
	for _, number := range numbers(10) {
		value(context.Publish(t.token+".a", []byte(number)))
	}
	return context
}

var features = []struct {
	name string
	run  func(*testing)
}{
	{"connect", func(t *testing) {
		check(t.connect().Flush())
		// The client drops an error that comes together with the close frame.
		if _, err := t.dial(endpoint.URL, endpoint.Wrong, nats.NoReconnect()); err == nil {
			fail("wrong credentials are accepted")
		}
	}},
	{"publish", func(t *testing) {
		seen := subscribe(t.peer(), t.token)
		publish(t.connect(), t.token, append(numbers(100), "\x00\xff\r\n\x00", "")...)
		seen.wait(102)
		equal(seen.texts(), append(numbers(100), "\x00\xff\r\n\x00", ""))
	}},
	{"subscribe", func(t *testing) {
		seen := subscribe(t.connect(), t.token)
		publish(t.peer(), t.token, numbers(100)...)
		seen.wait(100)
		equal(seen.texts(), numbers(100))
	}},
	{"wildcards", func(t *testing) {
		connection, other := t.connect(), t.peer()
		one, rest := subscribe(connection, t.token+".*.x"), subscribe(connection, t.token+".>")
		for _, subject := range []string{"a", "a.x", "b.x", "a.x.y"} {
			publish(other, t.token+"."+subject, subject)
		}
		rest.wait(4)
		one.wait(2)
		equal(append(rest.texts(), one.texts()...), []string{"a", "a.x", "b.x", "a.x.y", "a.x", "b.x"})
	}},
	{"queue groups", func(t *testing) {
		members := []*inbox{}
		for _, connection := range []*nats.Conn{t.connect(), t.connect(), t.peer()} {
			seen := &inbox{}
			value(connection.QueueSubscribe(t.token, "q", seen.add))
			check(connection.Flush())
			members = append(members, seen)
		}
		publish(t.peer(), t.token, numbers(300)...)
		all := func() []string { return sorted(members[0].texts(), members[1].texts(), members[2].texts()) }
		eventually("300 messages", func() bool { return len(all()) >= 300 })
		equal(all(), numbers(300))
		for _, seen := range members {
			seen.wait(1)
		}
	}},
	{"request/reply", func(t *testing) {
		connection, other := t.connect(), t.peer()
		respond(other, t.token+".peer", "peer")
		respond(connection, t.token+".client", "client")
		for _, number := range numbers(20) {
			equal(ask(connection, t.token+".peer", number), "peer "+number)
			equal(ask(other, t.token+".client", number), "client "+number)
			equal(ask(connection, t.token+".client", number), "client "+number)
		}
	}},
	{"request many", func(t *testing) {
		connection := t.connect()
		respond(t.peer(), t.token, "1", "2", "3")
		reply := nats.NewInbox()
		seen := subscribe(connection, reply)
		check(connection.PublishRequest(t.token, reply, []byte("x")))
		seen.wait(3)
		equal(seen.texts(), []string{"1 x", "2 x", "3 x"})
	}},
	{"no responders", func(t *testing) {
		if _, err := t.connect().Request(t.token, nil, 3*time.Second); !errors.Is(err, nats.ErrNoResponders) {
			fail("%v", err)
		}
	}},
	{"headers", func(t *testing) {
		seen := subscribe(t.peer(), t.token)
		message := nats.NewMsg(t.token)
		message.Header.Add("Name", "a")
		message.Header.Add("Name", "b")
		message.Header.Set("Other", "ü: x")
		check(t.connect().PublishMsg(message))
		seen.wait(1)
		equal(seen.messages[0].Header, message.Header)
	}},
	{"max and auto-unsubscribe", func(t *testing) {
		connection, seen := t.connect(), &inbox{}
		check(value(connection.Subscribe(t.token, seen.add)).AutoUnsubscribe(3))
		more := subscribe(connection, t.token)
		publish(t.peer(), t.token, numbers(6)...)
		more.wait(6)
		equal(seen.texts(), numbers(3))
	}},
	{"drain", func(t *testing) {
		connection, other, left, staying := t.connect(), t.peer(), &inbox{}, &inbox{}
		leaving := value(connection.QueueSubscribe(t.token+".q", "q", left.add))
		value(other.QueueSubscribe(t.token+".q", "q", staying.add))
		check(connection.Flush())
		check(other.Flush())
		publisher := t.peer()
		publish(publisher, t.token+".q", numbers(1000)[:500]...)
		check(leaving.Drain())
		publish(publisher, t.token+".q", numbers(1000)[500:]...)
		all := func() []string { return sorted(left.texts(), staying.texts()) }
		eventually("1,000 messages", func() bool { return len(all()) >= 1000 })
		equal(all(), numbers(1000))
		arrived := subscribe(other, t.token+".out")
		for _, number := range numbers(100) {
			check(connection.Publish(t.token+".out", []byte(number)))
		}
		check(connection.Drain())
		arrived.wait(100)
		eventually("the end", connection.IsClosed)
	}},
	{"flush and ping", func(t *testing) {
		connection, other := t.connect(), t.peer()
		for _, number := range numbers(20) {
			seen := subscribe(connection, t.token+"."+number)
			publish(other, t.token+"."+number, "x")
			seen.wait(1)
		}
		value(connection.RTT())
	}},
	{"verbose", flagged(option(func(options *nats.Options) { options.Verbose = true }))},
	{"pedantic", flagged(option(func(options *nats.Options) { options.Pedantic = true }))},
	{"echo: false", func(t *testing) {
		connection, other := t.connect(nats.NoEcho()), t.peer()
		own, theirs := subscribe(connection, t.token), subscribe(other, t.token)
		publish(connection, t.token, "mine")
		theirs.wait(1)
		publish(other, t.token, "theirs")
		own.wait(1)
		check(connection.Flush())
		equal(own.texts(), []string{"theirs"})
	}},
	{"payload limits", func(t *testing) {
		connection, seen := t.connect(), subscribe(t.peer(), t.token)
		check(connection.Publish(t.token, make([]byte, connection.MaxPayload())))
		seen.wait(1)
		if err := connection.Publish(t.token, make([]byte, connection.MaxPayload()+1)); !errors.Is(err, nats.ErrMaxPayload) {
			fail("%v", err)
		}
	}},
	{"permissions", func(t *testing) {
		seen := subscribe(t.peer(), "ok.a")
		connection := t.keep(t.dial(endpoint.URL, endpoint.Limited))
		subscribe(connection, "no")
		publish(connection, "no", "x")
		publish(connection, "no.wildcard.*", "x")
		publish(connection, "ok.a", "x")
		seen.wait(1)
		check(connection.Flush())
		eventually("an error", func() bool {
			return strings.Contains(strings.ToLower(strings.Join(t.said(), " ")), "permissions violation")
		})
		if !connection.IsConnected() {
			fail("the connection has ended")
		}
	}},
	{"reconnect after a cut", func(t *testing) {
		reconnected := make(chan bool, 10)
		connection := t.connect(nats.ReconnectHandler(func(*nats.Conn) { reconnected <- true }))
		other, seen := t.peer(), subscribe(connection, t.token)
		for index, number := range numbers(3) {
			control("cut")
			<-reconnected
			check(connection.Flush())
			publish(other, t.token, number)
			seen.wait(index + 1)
		}
		equal(seen.texts(), numbers(3))
	}},
	{"restart of the server", func(t *testing) {
		seen := subscribe(t.connect(), t.token)
		control("restart")
		publisher := t.connect()
		eventually("the subscription to be live again", func() bool {
			return publisher.Publish(t.token, nil) == nil && publisher.Flush() == nil && len(seen.texts()) > 0
		})
	}},
	{"key-value store", func(t *testing) {
		bucket := value(value(t.connect().JetStream()).CreateKeyValue(&nats.KeyValueConfig{Bucket: t.token, History: 5}))
		watcher := value(bucket.WatchAll())
		for _, pair := range [][2]string{{"a.b", "1"}, {"a.b", "2"}, {"c", "3"}} {
			value(bucket.PutString(pair[0], pair[1]))
		}
		equal(string(value(bucket.Get("a.b")).Value()), "2")
		keys := value(bucket.Keys())
		sort.Strings(keys)
		equal(keys, []string{"a.b", "c"})
		history := []string{}
		for _, entry := range value(bucket.History("a.b")) {
			history = append(history, string(entry.Value()))
		}
		equal(history, []string{"1", "2"})
		check(bucket.Delete("c"))
		equal(value(bucket.Keys()), []string{"a.b"})
		seen := []string{}
		for late := time.After(5 * time.Second); len(seen) < 4; {
			select {
			case entry := <-watcher.Updates():
				if entry != nil {
					seen = append(seen, entry.Key()+" "+string(entry.Value()))
				}
			case <-late:
				fail("the watcher has %q", seen)
			}
		}
		equal(seen, []string{"a.b 1", "a.b 2", "c 3", "c "})
		check(watcher.Stop())
	}},
	{"object store", func(t *testing) {
		store := value(value(t.connect().JetStream()).CreateObjectStore(&nats.ObjectStoreConfig{Bucket: t.token}))
		data := make([]byte, 300_000)
		value(rand.Read(data))
		value(store.PutBytes("big", data))
		value(store.PutString("small", "hi"))
		if !bytes.Equal(value(store.GetBytes("big")), data) {
			fail("the object has other bytes")
		}
		names := []string{}
		for _, info := range value(store.List()) {
			names = append(names, info.Name)
		}
		sort.Strings(names)
		equal(names, []string{"big", "small"})
	}},
	{"pull consumer", func(t *testing) {
		seen := []string{}
		for _, message := range value(value(stream(t).PullSubscribe(t.token+".*", "d")).Fetch(10, nats.MaxWait(5*time.Second))) {
			seen = append(seen, string(message.Data))
			check(message.AckSync())
		}
		equal(seen, numbers(10))
	}},
	{"push consumer", func(t *testing) {
		context, seen, ordered := stream(t), &inbox{}, &inbox{}
		value(context.Subscribe(t.token+".*", seen.add, nats.AckNone()))
		value(context.Subscribe(t.token+".*", ordered.add, nats.OrderedConsumer()))
		seen.wait(10)
		ordered.wait(10)
		equal(append(seen.texts(), ordered.texts()...), append(numbers(10), numbers(10)...))
		equal(fmt.Sprint(seen.messages[0].Subject), t.token+".a")
	}},
}
