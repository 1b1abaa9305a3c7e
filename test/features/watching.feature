Feature: Watching counters and trying a server
  `tally watch` shows how counters move, one line for each change when nobody looks at a terminal; `tally bench` says
  what a server takes.

  Scenario: Changes are shown as they come
    Given a counter "visits" at 5
    When I start "tally watch visits --interval 20ms"
    Then it shows "visits  5"
    When somebody else increments "visits"
    Then it shows "visits  6  +1"
    And Ctrl-C ends it

  Scenario: A counter may come later
    When I start "tally watch orders --interval 20ms"
    Then it shows "orders  no such counter yet"
    When somebody else increments "orders"
    Then it shows "orders  1"
    And Ctrl-C ends it

  Scenario: A server is tried without leaving anything behind
    Given a counter "bench:mine" at 3
    When I run "tally bench --duration 200ms --names 10 --cleanup"
    Then it ends with 0 and says "increments"
    And there are no counters but "bench:mine"
