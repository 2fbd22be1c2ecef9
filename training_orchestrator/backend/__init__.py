"""What a manager asks of journeys wherever they are decided: the protocol, requests, counts."""
